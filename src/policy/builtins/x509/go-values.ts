import type { Value } from "../value.ts";

/** Bytes as Go writes them into JSON. */
export function base64(bytes: Buffer): string {
  return bytes.toString("base64");
}

/** Bytes that may be missing. */
export function bytesOrNull(bytes: Buffer | undefined): Value {
  return bytes === undefined ? null : base64(bytes);
}

/** A list as Go writes one that nothing has been put into: it is null. */
export function listOrNull(values: readonly Value[]): Value {
  return values.length === 0 ? null : values;
}
