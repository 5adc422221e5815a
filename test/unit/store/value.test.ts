import { describe, expect, test } from "vitest";
import { MAX_JSON_DEPTH } from "../../../src/common/json-text.ts";
import { decodeValue } from "../../../src/store/value.ts";

const utf8 = new TextEncoder();
const nested = (open: string, close: string, levels: number): Uint8Array =>
  utf8.encode(open.repeat(levels) + close.repeat(levels));

describe("decodeValue", () => {
  test.each([
    ["null", "null"],
    ["true", "true"],
    ["9007199254740993", "9007199254740993"],
    ["-0", "-0"],
    ["1.0", "1.0"],
    ["1e400", "1e400"],
    ["123456789012345678901234567890.10", "123456789012345678901234567890.10"],
    ['{"id":9007199254740993, "x":1.50}', '{"id":9007199254740993, "x":1.50}'],
    [" \n[1 ,2]\t\r\n", "[1 ,2]"],
    ['"é😀"', '"é😀"'],
    ['"\\ud800"', '"\\ufffd"'],
    ['{"a":1,"a":2}', '{"a":1,"a":2}'],
  ])("S5 the JSON %j is kept as its text %j", (content, text) => {
    expect(decodeValue(utf8.encode(content), 1)).toEqual({ text, kind: "json" });
  });

  test.each([
    ["", '""'],
    [" ", '" "'],
    ["plain text", '"plain text"'],
    ["{not json}", '"{not json}"'],
    ['"half', '"\\"half"'],
    ["01", '"01"'],
    ["NaN", '"NaN"'],
    ["-", '"-"'],
    ["nullx", '"nullx"'],
    ["tru", '"tru"'],
    ["1\n2", '"1\\n2"'],
    ["\ufeff{}", '"\ufeff{}"'],
    ["\u00a0{}", '"\u00a0{}"'],
    ["\u0000", '"\\u0000"'],
    ["\ufffd", '"\ufffd"'],
    ["\\ud800", '"\\\\ud800"'],
  ])("S5 %j is not JSON and becomes the string %s", (content, text) => {
    expect(decodeValue(utf8.encode(content), 1)).toEqual({ text, kind: "string" });
  });

  test.each([
    [[0xff], '"/w=="'],
    [[0x61, 0xc3], '"YcM="'],
    [[0xed, 0xa0, 0x80], '"7aCA"'],
    [[0xc0, 0x80], '"wIA="'],
    [[0x7b, 0x7d, 0xfe], '"e33+"'],
  ])("S5 the bytes %j are not UTF-8 and become base64", (bytes, text) => {
    expect(decodeValue(Uint8Array.from(bytes), 1)).toEqual({ text, kind: "base64" });
  });

  test("S5 reads the bytes of its own part of a shared buffer only", () => {
    const shared = utf8.encode('xx{"a":1}yy');
    expect(decodeValue(shared.subarray(2, 9), 1)).toEqual({ text: '{"a":1}', kind: "json" });
  });

  test("S5 a value of a megabyte is kept whole", () => {
    const json = `{"list":[${"9007199254740993,".repeat(1 << 16)}1]}`;
    expect(decodeValue(utf8.encode(json), 3)).toEqual({ text: json, kind: "json" });
    const text = "x".repeat(1 << 20);
    expect(decodeValue(utf8.encode(text), 3)).toEqual({ text: `"${text}"`, kind: "string" });
    const bytes = new Uint8Array(1 << 20).fill(0xff);
    const decoded = decodeValue(bytes, 3) as { text: string };
    expect(Buffer.from(JSON.parse(decoded.text) as string, "base64").equals(bytes)).toBe(true);
  });

  const JSON_TOO_DEEP = { refused: "its JSON is nested deeper than 256 levels" };
  test.each([
    [1, MAX_JSON_DEPTH - 1, true],
    [1, MAX_JSON_DEPTH, false],
    [3, MAX_JSON_DEPTH - 3, true],
    [3, MAX_JSON_DEPTH - 2, false],
    [MAX_JSON_DEPTH - 1, 1, true],
    [MAX_JSON_DEPTH - 1, 2, false],
    [MAX_JSON_DEPTH, 0, true],
    [MAX_JSON_DEPTH, 1, false],
    [1, 50_000, false],
  ])(
    "S5 a key of %d segments with a value of %d levels: shown is %s",
    (segments, levels, shown) => {
      const contents =
        levels === 0
          ? ["1"]
          : [
              "[".repeat(levels) + "]".repeat(levels),
              '{"a":'.repeat(levels) + "1" + "}".repeat(levels),
            ];
      for (const text of contents) {
        const expected = shown ? { text, kind: "json" } : JSON_TOO_DEEP;
        expect(decodeValue(utf8.encode(text), segments)).toEqual(expected);
      }
    },
  );

  test("S5 a key of more segments than values may have levels is refused whatever its value", () => {
    const refusal = { refused: "its key has more than 256 segments" };
    expect(decodeValue(utf8.encode("1"), MAX_JSON_DEPTH + 1)).toEqual(refusal);
    expect(decodeValue(nested("[", "]", 1), 100_000)).toEqual(refusal);
  });
});
