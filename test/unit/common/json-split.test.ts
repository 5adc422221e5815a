import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonSplitter, SplitError } from "../../../src/common/json-split.ts";
import { objectText } from "../../../src/common/json-text.ts";

function split(text: string, maxDepth?: number): string {
  const splitter = new JsonSplitter(Buffer.from(text), maxDepth);
  // One step a slice.
  let done: boolean;
  do done = splitter.slice(0);
  while (!done);
  return objectText(splitter.fields);
}

/** Long enough that objects are taken apart. */
const long = fc.string({ minLength: 1_000, maxLength: 1_500 });
const value = fc.jsonValue({ maxDepth: 4 });
const object = fc.dictionary(
  fc.string({ unit: "binary" }),
  fc.oneof(value, fc.dictionary(fc.string(), fc.oneof(value, long)), fc.array(long)),
);

describe("taking JSON apart", () => {
  it("P4 what comes of an object is the same object", () => {
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 1, "\t"), (whole, indent) => {
        const text = JSON.stringify(whole, undefined, indent);
        expect(JSON.parse(split(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("P4 refuses what JSON.parse refuses, at any place of a large text", () => {
    const rows = Array.from({ length: 200 }, (_, i) => `"k${i}": {"a": [1, "x\\n"], "b": null}`);
    const good = `{"big": {${rows.join(", ")}}, "end": true}`;
    const broken = fc.record({
      at: fc.nat(good.length - 1),
      put: fc.constantFrom("", "{", "}", "[", "]", ",", ":", '"', "\\", "1", "\u0001", " "),
    });
    fc.assert(
      fc.property(broken, ({ at, put }) => {
        const text = good.slice(0, at) + put + good.slice(at + 1);
        const outcome = (read: () => unknown): unknown => {
          try {
            return read();
          } catch (error) {
            return error instanceof SplitError || error instanceof SyntaxError ? "refused" : error;
          }
        };
        expect(outcome(() => JSON.parse(split(text)))).toEqual(outcome(() => JSON.parse(text)));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    "",
    "  ",
    "{",
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    "{,}",
    '{"a":1}x',
    '{"a":}',
    '{"a": }',
    '{"a":1\u00a0}',
    '{"a":1\u000b,"b":2}',
    "nul",
  ])("refuses %j", (text) => {
    expect(() => split(text)).toThrow(SplitError);
  });

  it("tells another value from no JSON, and what is nested too deep", () => {
    const problem = (text: string, maxDepth?: number): string => {
      try {
        split(text, maxDepth);
        return "none";
      } catch (error) {
        return (error as SplitError).problem;
      }
    };
    expect(problem("[1]")).toBe("not-object");
    expect(problem("[1")).toBe("syntax");
    const wide = `"${"x".repeat(5_000)}"`;
    expect(problem(`{"a":{"b":{"c":${wide}}}}`, 2)).toBe("too-deep");
    expect(problem(`{"a":{"b":{"c":${wide}}}}`, 3)).toBe("none");
    expect(problem(`{"a":${"[".repeat(300)}${"]".repeat(300)}}`)).toBe("too-deep");
  });

  it("says where it is wrong in characters, whatever is before", () => {
    expect(() => split('\t{"\u00e4\u20ac":"\u{1f600}" ;}')).toThrow(
      new SplitError("syntax", '";" at position 12 is unexpected'),
    );
  });

  it.each(['{"a":{"b":1}}', `{"a":{"b":"${"x".repeat(5_000)}"}}`])(
    "repairs names that have half of a pair of surrogates, and takes them for one: %#",
    (inner) => {
      const text = `{"\\ud800":1,"\\udfff":${inner},"\\ud83d\\ude00":2}`;
      expect(split(text)).toBe(`{"\ufffd":${inner},"\u{1f600}":2}`);
    },
  );
});
