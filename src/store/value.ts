import { isUtf8 } from "node:buffer";
import { isPlainJson, MAX_PLAIN_DEPTH } from "../common/json-bytes.ts";
import { isDeeperThan, MAX_JSON_DEPTH, parseJsonText } from "../common/json-text.ts";

/**
 * A value as policies see it: always the text of a JSON value.
 *
 * - `json`: the bytes were JSON; the text is theirs, digit for digit.
 * - `string`: the bytes were UTF-8 but not JSON (an empty value too); the text is that string.
 * - `base64`: the bytes were not UTF-8; the text is a string of their base64 (RFC 4648).
 */
export interface StoredValue {
  /** The JSON text. */
  readonly text: string;
  /** What the bytes were. */
  readonly kind: "json" | "string" | "base64";
}

/** Why a key's value is not shown to policies. */
export interface Refusal {
  /** The reason, as a clause that begins with "its". */
  readonly refused: string;
}

/**
 * Turns the bytes of a value into what the store keeps. A value nested deeper than 256 levels,
 * counting the levels that its key adds, is refused rather than risking the policy's stack.
 */
export function decodeValue(bytes: Uint8Array, keyDepth: number): StoredValue | Refusal {
  if (keyDepth > MAX_JSON_DEPTH)
    return { refused: `its key has more than ${MAX_JSON_DEPTH} segments` };
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (keyDepth + MAX_PLAIN_DEPTH <= MAX_JSON_DEPTH && isPlainJson(buffer)) {
    return { text: buffer.toString("latin1"), kind: "json" };
  }
  if (!isUtf8(buffer)) return { text: JSON.stringify(buffer.toString("base64")), kind: "base64" };
  const content = buffer.toString("utf8");
  const text = parseJsonText(content);
  if (text === undefined) return { text: JSON.stringify(content), kind: "string" };
  if (isDeeperThan(text, MAX_JSON_DEPTH - keyDepth)) {
    return { refused: `its JSON is nested deeper than ${MAX_JSON_DEPTH} levels` };
  }
  return { text, kind: "json" };
}
