import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { FastifyRequest } from "fastify";
import { isPlainJson } from "../../common/json-bytes.ts";
import { parseJsonText, repairSurrogates } from "../../common/json-text.ts";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { BODY_TOO_LARGE, invalidParameter, RequestError } from "../api-errors.ts";
import { jsonOfYaml, MAX_YAML_LENGTH } from "./yaml-body.ts";

/**
 * The JSON text of a request's body, checked; undefined where there is none. Unpacked bodies are bounded like
 * those that come plain. Throws, or rejects with, `INPUT_INVALID` or a `RequestError`.
 */
export function bodyText(
  { body, headers }: FastifyRequest,
  maxBytes: number,
): string | undefined | Promise<string | undefined> {
  if (!Buffer.isBuffer(body)) return undefined;
  const { "content-encoding": encoding, "content-type": type } = headers;
  return encoding === undefined
    ? textOf(body, type)
    : unpacked(body, encoding, maxBytes).then((bytes) => textOf(bytes, type));
}

function textOf(bytes: Buffer, contentType: string | undefined): string | undefined {
  if (bytes.length === 0) return undefined;
  // Nearly all bodies: one look at the bytes, which are the text then, and JSON whatever the content type says.
  if (isPlainJson(bytes)) return bytes.toString("latin1");
  const text = utf8(bytes);
  if (!(contentType?.includes("yaml") ?? false)) {
    return jsonOf(text, "The request body");
  }
  // JSON is YAML too, and read much faster as what it is.
  const json = parseJsonText(text);
  if (json !== undefined) return json;
  if (text.length > MAX_YAML_LENGTH) throw new RequestError(BODY_TOO_LARGE);
  return repairSurrogates(jsonOfYaml(text));
}

/** The text itself, where it is JSON. `what` names it in the message of `INPUT_INVALID`. */
export function jsonOf(text: string, what: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new BridgeError("INPUT_INVALID", `${what} is not JSON: ${messageOf(error)}.`);
  }
  return repairSurrogates(text.trim());
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new BridgeError("INPUT_INVALID", "The request body is not UTF-8; send JSON.");
  }
}

const gunzipBytes = promisify(gunzip);

async function unpacked(body: Buffer, header: string, maxBytes: number): Promise<Buffer> {
  const encoding = header.trim().toLowerCase();
  if (encoding === "identity" || encoding === "") return body;
  if (encoding !== "gzip") {
    const message = `the content encoding ${quote(encoding)} is not supported; send gzip, or none`;
    throw new RequestError(invalidParameter(message, 415));
  }
  try {
    return await gunzipBytes(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new RequestError(BODY_TOO_LARGE);
    }
    throw new BridgeError("INPUT_INVALID", `The request body is not gzip: ${messageOf(error)}.`);
  }
}
