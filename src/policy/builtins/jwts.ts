import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Query } from "../query.ts";
import { goJson } from "./go-json.ts";
import { isAlgorithm, signWith, verifies } from "./jwt-algorithms.ts";
import { signingKey, type VerificationKey, verificationKeys } from "./jwt-keys.ts";
import { base64Url, type JsonObject, jsonObject, parseToken, type Token } from "./jwt-token.ts";
import { Operands } from "./operands.ts";
import { type BuiltinFamily, family, type ValueBuiltin } from "./registry.ts";
import { RegoNumber, type RegoObject, type Value } from "./value.ts";
import { parseJson, parseValue } from "./value-text.ts";

/** `io.jwt.*`. Keys are kept ready between queries, as in OPA; verified tokens are not. */
export const jwtBuiltins: BuiltinFamily = [
  // The one that is called for each request deals in texts, which saves most of its time.
  ["io.jwt.decode_verify", decodeVerify],
  ...family({
    "io.jwt.decode": (operands) => decode(operands.string(1)),
    "io.jwt.encode_sign": (operands) =>
      encodeSign(goJson(operands.any(1)), goJson(operands.any(2)), goJson(operands.any(3))),
    "io.jwt.encode_sign_raw": (operands) => {
      const key = operands.string(3);
      return encodeSign(operands.string(1), operands.string(2), key);
    },
    "io.jwt.verify_hs256": hmac("sha256"),
    "io.jwt.verify_hs384": hmac("sha384"),
    "io.jwt.verify_hs512": hmac("sha512"),
    "io.jwt.verify_eddsa": verifier("EdDSA"),
    ...Object.fromEntries(
      ["RS", "PS", "ES"].flatMap((kind) =>
        ["256", "384", "512"].map((size) => [
          `io.jwt.verify_${kind.toLowerCase()}${size}`,
          verifier(kind + size),
        ]),
      ),
    ),
  }),
];

const UNVERIFIED = "[false,{},{}]";

function decode(text: string): Value {
  const token = parseToken(text);
  const header = token.header();
  const payload = token.payload();
  if (header.fields["cty"] === "JWT") return decode(payload.replaceAll(/^["']+|["']+$/g, ""));
  const claims = jsonObject(payload);
  let signature: Buffer;
  try {
    signature = token.signature();
  } catch (error) {
    throw new Error(`JWT signature had invalid encoding: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return [parseJson(header.text), parseJson(claims.text), signature.toString("hex")];
}

function hmac(hash: string): ValueBuiltin {
  return (operands) => {
    const text = operands.string(1);
    const secret = operands.string(2);
    const token = parseToken(text);
    const signature = token.signature();
    const expected = createHmac(hash, secret).update(token.signed).digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  };
}

function verifier(algorithm: string): ValueBuiltin {
  return (operands) => {
    const token = parseToken(operands.string(1));
    const keys = verificationKeys(operands.string(2));
    const signature = token.signature();
    const { alg, kid } = headerTexts(token.header());
    return isSignedBy(keys, kid, alg, (key) =>
      verifies(algorithm, key.key, token.signed, signature),
    );
  };
}

/** By the key that the token names; else by any that may have the token's algorithm. */
function isSignedBy(
  keys: readonly VerificationKey[],
  kid: string,
  alg: string,
  check: (key: VerificationKey) => boolean,
): boolean {
  const named = kid === "" ? undefined : keys.find(({ id }) => id === kid);
  if (named !== undefined) return check(named);
  return keys.some((key) => (key.algorithm === "" || key.algorithm === alg) && check(key));
}

const HEADER_TEXTS = ["alg", "kid", "typ", "cty"] as const;

/** The header's fields that count; an absent one is empty. Throws when one is not what it should be. */
function headerTexts({ fields }: JsonObject): Record<(typeof HEADER_TEXTS)[number], string> {
  const texts = { alg: "", kid: "", typ: "", cty: "" };
  for (const name of HEADER_TEXTS) {
    const value = fields[name] ?? "";
    if (typeof value !== "string") throw new Error(`${name}: must be a string`);
    texts[name] = value;
  }
  return texts;
}

/** Whether all that the token calls critical (RFC 7515, 4.1.11) is known here. */
function knowsCritical({ fields }: JsonObject): boolean {
  const critical = fields["crit"];
  if (critical === undefined) return true;
  if (!Array.isArray(critical)) throw new Error("crit: must be a list");
  if (critical.length === 0) throw new Error("crit: must be a nonempty list");
  const known: readonly string[] = [...HEADER_TEXTS, "crit"];
  const isUnknown = (name: unknown): boolean =>
    typeof name === "string" && Object.hasOwn(fields, name) && !known.includes(name);
  return !critical.some(isUnknown);
}

interface Constraints {
  readonly keys: readonly VerificationKey[];
  readonly alg: string;
  readonly iss: string;
  readonly aud: string;
  /** Nanoseconds since 1970, undefined for the query's own time. */
  readonly time: number | undefined;
}

/** The same constraints come with every token. */
const readConstraints = new LRUCache<string, Constraints>({ max: 100 });

function constraintsOf(text: string): Constraints {
  let constraints = readConstraints.get(text);
  if (constraints === undefined) {
    constraints = parseConstraints(new Operands([null, parseValue(text)]).object(2));
    readConstraints.set(text, constraints);
  }
  return constraints;
}

function parseConstraints(object: RegoObject): Constraints {
  const texts = { secret: "", alg: "", iss: "", aud: "" };
  let keys: readonly VerificationKey[] | undefined;
  let time: number | undefined;
  for (const [name, value] of object.entries) {
    switch (name) {
      case "cert":
        keys = verificationKeys(textOf(name, value));
        break;
      case "secret":
      case "alg":
      case "iss":
      case "aud":
        texts[name] = textOf(name, value);
        break;
      case "time":
        if (!(value instanceof RegoNumber)) {
          throw new Error("token time constraint: must be a number");
        }
        if (value.float < 0) throw new Error("token time constraint: must not be negative");
        time = value.float;
        break;
      default:
        throw new Error(`unknown token validation constraint: ${goJson(name).replaceAll('"', "")}`);
    }
  }
  const { secret, ...rest } = texts;
  if (keys !== undefined && secret !== "") throw new Error("duplicate key constraints");
  if (keys === undefined && secret === "") throw new Error("no key constraint");
  return { ...rest, keys: keys ?? secretKeys(secret), time };
}

function textOf(name: string, value: Value): string {
  if (typeof value === "string") return value;
  throw new Error(`${name} constraint: must be a string`);
}

function secretKeys(secret: string): VerificationKey[] {
  return [{ algorithm: "", id: "", key: createSecretKey(Buffer.from(secret)) }];
}

/** `[true, header, claims]`, as the texts that were signed. */
function decodeVerify(args: readonly string[], query: Query): string {
  const constraints = constraintsOf(args[1]!);
  let text = new Operands([parseValue(args[0]!)]).string(1);
  for (;;) {
    const token: Token = parseToken(text);
    const header = token.header();
    const { alg, kid, cty } = headerTexts(header);
    if (alg === "" || !knowsCritical(header)) return UNVERIFIED;
    if (constraints.alg !== "" && constraints.alg !== alg) return UNVERIFIED;
    const signature = token.signature();
    const isSigned = isSignedBy(constraints.keys, kid, alg, ({ key }) =>
      verifies(alg, key, token.signed, signature),
    );
    if (!isSigned) return UNVERIFIED;
    const payload = token.payload();
    if (cty.toUpperCase() !== "JWT") {
      const claims = jsonObject(payload);
      const time = constraints.time ?? Number(query.now);
      if (!isValid(claims, constraints, time / 1e9)) return UNVERIFIED;
      return `[true,${header.text},${claims.text}]`;
    }
    text = payload;
  }
}

function isValid({ fields }: JsonObject, { iss, aud }: Constraints, seconds: number): boolean {
  if (iss !== "" && fields["iss"] !== iss) return false;
  const audience = fields["aud"];
  if (audience === undefined ? aud !== "" : ![audience].flat().includes(aud)) return false;
  const expiry = timeClaim(fields, "exp");
  if (expiry !== undefined && seconds >= expiry) return false;
  const start = timeClaim(fields, "nbf");
  return start === undefined || seconds >= start;
}

function timeClaim(fields: JsonObject["fields"], name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "number") return value;
  throw new Error(`${name} value must be a number`);
}

function encodeSign(header: string, payload: string, jwk: string): string {
  const key = signingKey(jwk);
  const { alg, typ } = signingHeader(header);
  if (!isAlgorithm(alg)) throw new Error(`unknown JWS algorithm: ${alg}`);
  if ((typ === undefined || typ === "JWT") && !isJson(payload)) {
    throw new Error("type is JWT but payload is not JSON");
  }
  const signed = `${base64Url(header)}.${base64Url(payload)}`;
  return `${signed}.${signWith(alg, key, signed).toString("base64url")}`;
}

function signingHeader(text: string): { alg: string; typ: string | undefined } {
  const invalid = (why: string): Error => new Error(`missing or invalid 'alg' header: ${why}`);
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw invalid(`cannot parse JSON: ${(error as Error).message}`);
  }
  const { alg, typ } = (typeof header === "object" && header !== null ? header : {}) as {
    alg?: unknown;
    typ?: unknown;
  };
  if (typeof alg !== "string") throw invalid('jwsbb: header "alg" not found');
  return { alg, typ: typeof typ === "string" ? typ : undefined };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
