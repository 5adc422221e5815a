import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Slices } from "../../../src/common/slices.ts";
import { checkUtf8, textOf } from "../../../src/common/utf8.ts";

const CHUNK_BYTES = 256 * 1024;
/** Parts of characters of every length, what may not be one, and the mark. */
const bytes = fc.array(
  fc.constantFrom(
    ...["a", "\u00e4", "\u20ac", "\u{1f600}", "\ufeff"].map((text) => Buffer.from(text)),
    ...["80", "c3", "c080", "e282", "eda080", "f09f98", "f4908080", "ff"].map((hex) =>
      Buffer.from(hex, "hex"),
    ),
  ),
  { maxLength: 6 },
);

/** The text's hash, as that of a difference is said in a line; or why there is none. */
async function outcome(read: () => string | Promise<string>): Promise<string> {
  try {
    return createHash("sha256")
      .update(await read())
      .digest("hex");
  } catch (error) {
    return String(error);
  }
}

describe("bytes that must be UTF-8", () => {
  it("are checked in slices as the text of all of them would be, wherever they are cut", async () => {
    const slices = new Slices(0);
    const before = fc.constantFrom(0, CHUNK_BYTES - 3, 2 * CHUNK_BYTES - 5);
    await fc.assert(
      fc.asyncProperty(bytes, before, bytes, fc.boolean(), async (start, length, end, isMore) => {
        const middle = Buffer.alloc(length, "x");
        const more = isMore ? Buffer.from("y".repeat(10)) : Buffer.alloc(0);
        const all = Buffer.concat([...start, middle, ...end, more]);
        const checked = await outcome(async () => (await checkUtf8(all, slices)).toString());
        expect(checked).toBe(await outcome(() => textOf(all)));
      }),
      { numRuns: 300 },
    );
  });

  it("may be none", async () => {
    expect(await checkUtf8(Buffer.alloc(0), new Slices())).toHaveLength(0);
  });
});
