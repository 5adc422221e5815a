import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareWithOpa } from "../../support/compare-with-opa.ts";
import { opaForTests } from "../../support/opa-server.ts";

const opa = await opaForTests();

/** What URLs are made of, and what they should not be. */
const PARTS = [
  ["http", "https", "pg", ":", "//", "///", "/", "?", "#", "a", "b.c", "user", "@", "p:w", "*"],
  ["[", "]", "::1", "fe80::1", "%25en0", "1.2.3.4", ":80", ":8x", ",h2:81", "mailto:", "../"],
  ["%", "%41", "%zz", "%ff", "%2f", "%C3%A9", "é", "ü.de", " ", "\u0001", "\u007f", "A", "x=y"],
  ["&", "=", ";", "+", "!", "(", "'", "<", ">", '"', "|", "^", "{"],
].flat();
const text = fc
  .array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(""));

describe.skipIf(opa === undefined)("URLs are what they are to OPA", () => {
  it("taken apart, escaped and unescaped", async () => {
    const { differences, answered } = await compareWithOpa(
      opa!,
      fc
        .sample(text, { numRuns: 1_000, seed: Number(process.env["FC_SEED"] ?? 1) })
        .flatMap((each) => [
          { name: "uri.parse", args: [each] },
          { name: "uri.is_valid", args: [each] },
          { name: "urlquery.encode", args: [each] },
          { name: "urlquery.decode", args: [each] },
        ]),
    );
    expect(differences).toEqual([]);
    expect(answered).toBeGreaterThan(2_000);
  });
});
