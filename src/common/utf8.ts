import { isUtf8 } from "node:buffer";
import type { Slices } from "./slices.ts";

/** Some 20 microseconds' worth. */
const CHUNK_BYTES = 256 * 1024;
/** The most bytes of a character that come after its first one. */
const MOST_FOLLOWING = 3;
const MARK = Buffer.from("\ufeff");

/** Throws where the bytes are not UTF-8. A byte order mark in front is left out. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/**
 * Checks in slices what {@link textOf} checks, and makes no text of it. Answers with the bytes without a byte order
 * mark; rejects as `textOf` throws.
 */
export async function checkUtf8(bytes: Buffer, slices: Slices): Promise<Buffer> {
  let start = 0;
  const slice = (end: number): boolean => {
    do {
      const chunk = bytes.subarray(start, characterEnd(bytes, start + CHUNK_BYTES));
      if (!isUtf8(chunk)) textOf(chunk);
      start += chunk.length;
      if (start === bytes.length) return true;
    } while (performance.now() < end);
    return false;
  };
  // Small files, of which there may be thousands, need no turn of their own.
  if (bytes.length <= CHUNK_BYTES) slice(0);
  else await slices.run(slice);
  return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}

/** Where a character ends, at `limit` or right before it. */
function characterEnd(bytes: Buffer, limit: number): number {
  if (limit >= bytes.length) return bytes.length;
  for (let end = limit; end >= limit - MOST_FOLLOWING; end--) {
    if ((bytes[end]! & 0xc0) !== 0x80) return end;
  }
  // No character is that long: it is not UTF-8, wherever it is cut.
  return limit;
}
