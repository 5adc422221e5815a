import { isDeeperThan, MAX_JSON_DEPTH, repairSurrogates } from "../../common/json-text.ts";

/** A JSON object: the text itself, which keeps its digits, and its fields. */
export interface JsonObject {
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A compact JSON Web Signature (RFC 7515); its parts are decoded when they are asked for. */
export interface Token {
  /** What the signature is about. */
  readonly signed: string;
  header(): JsonObject;
  payload(): string;
  signature(): Buffer;
}

/** Throws, in OPA's words, for what is none. */
export function parseToken(text: string): Token {
  if (!text.includes(".")) throw new Error("encoded JWT had no period separators");
  const parts = text.split(".");
  if (parts.length !== 3) {
    throw new Error(`encoded JWT must have 3 sections, found ${parts.length}`);
  }
  const [header = "", payload = "", signature = ""] = parts;
  return {
    signed: `${header}.${payload}`,
    header: () => headerObject(header),
    payload: () => decoded("payload", payload),
    signature: () => decodeBase64Url(signature),
  };
}

function headerObject(part: string): JsonObject {
  const text = decoded("header", part);
  let header: JsonObject;
  try {
    header = jsonObject(text);
  } catch (error) {
    throw new Error(`bad JWT header: ${(error as Error).message}`, { cause: error });
  }
  if (Object.hasOwn(header.fields, "enc")) {
    throw new Error("JWT is a JWE object, which is not supported");
  }
  return header;
}

/** The JSON object that a text is. */
export function jsonObject(text: string): JsonObject {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (error) {
    throw new Error(`invalid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new Error("decoded JSON type was not an Object");
  }
  if (isDeeperThan(text, MAX_JSON_DEPTH)) {
    throw new Error(`the JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  return { text: repairSurrogates(text), fields: fields as Record<string, unknown> };
}

function decoded(what: string, part: string): string {
  try {
    return decodeBase64Url(part).toString("utf8");
  } catch (error) {
    throw new Error(`JWT ${what} had invalid encoding: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** As Go decodes it: with or without padding, and nothing else that does not belong. */
export function decodeBase64Url(text: string): Buffer {
  const padded = text.endsWith("=");
  const digits = padded ? text.replace(/={1,2}$/, "") : text;
  if (!padded && text.length % 4 === 1) throw new Error(`illegal base64url string: ${text}`);
  const wrong = /[^\w-]/.exec(digits);
  if (wrong !== null) throw new Error(`illegal base64 data at input byte ${wrong.index}`);
  if (padded && text.length % 4 !== 0) {
    throw new Error(`illegal base64 data at input byte ${text.length}`);
  }
  return Buffer.from(digits, "base64url");
}

export function base64Url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
