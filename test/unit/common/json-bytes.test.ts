import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPlainJson } from "../../../src/common/json-bytes.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const plain = (text: string): boolean => isPlainJson(Buffer.from(text));

describe("S5 JSON of the common kind is recognised by its bytes", () => {
  it.each([
    "{}",
    "[]",
    "[[],{}]",
    '{"a":1,"b":[true,false,null],"c":{"d":"e"}}',
    '{ "a" : [ 1 , 2 ]\n}',
    "-0",
    "0.5e-3",
    "12E+7",
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    `${"[".repeat(30)}1${"]".repeat(30)}`,
  ])("%s is", (text) => {
    expect(parses(text)).toBe(true);
    expect(plain(text)).toBe(true);
  });

  it.each([
    "",
    " 1",
    "1 ",
    "1\n",
    '"é"',
    '"\\u0041"',
    `${"[".repeat(31)}1${"]".repeat(31)}`,
    '{"a":1}{"a":1}',
  ])("%j is left to JSON.parse, or is none", (text) => {
    expect(plain(text)).toBe(false);
  });

  const tokens = [
    ...Array.from('{}[]:,"\\ \n\t-+.eE0123456789abtrufnl/\u0000\u007f\u0080'),
    "true",
    "false",
    "null",
    '"a"',
    '"a":',
    "1",
    "01",
    "\\n",
    "\\u0041",
  ];
  const texts = fc.oneof(
    fc.array(fc.constantFrom(...tokens), { maxLength: 12 }).map((parts) => parts.join("")),
    fc.json({ noUnicodeString: false }),
    // A character left out, put in or changed in what was JSON.
    fc
      .tuple(fc.json(), fc.nat(), fc.nat({ max: 1 }), fc.constantFrom("", ...tokens))
      .map(([text, at, drop, token]) => {
        const index = at % (text.length + 1);
        return text.slice(0, index) + token + text.slice(index + drop);
      }),
  );

  it("never where JSON.parse would refuse", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(plain(text) && !parses(text)).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });

  it("always for ASCII without escapes, space around and depth", () => {
    const ascii = fc.string({ unit: fc.constantFrom(...Array.from('abc \\"/09{}[]:,')) });
    const values = fc.jsonValue({ maxDepth: 5, stringUnit: "grapheme-ascii" });
    fc.assert(
      fc.property(fc.oneof(values, fc.dictionary(ascii, ascii)), fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(plain(text)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});
