import { describe, expect, it } from "vitest";
import { isBridgeError } from "../../../src/errors.ts";
import { equalJson } from "../../../src/writes/json-equal.ts";
import { patchJson } from "../../../src/writes/json-patch.ts";

const patch = (text: string, operations: string, max = 10_000): string =>
  patchJson(text, operations, max);

function codeOf(text: string, operations: string, max?: number): string {
  try {
    patch(text, operations, max);
  } catch (error) {
    if (isBridgeError(error)) return error.code;
    throw error;
  }
  return "none";
}

describe("S5 a JSON Patch", () => {
  it("keeps every digit and format of what it does not touch, and of what it brings", () => {
    const text = '{"id":9007199254740993,"rate":1.0e2,"list":[1.10]}';
    const add = '[{"op":"add","path":"/list/-","value":123456789012345678901}]';
    expect(patch(text, add)).toBe(
      '{"id":9007199254740993,"rate":1.0e2,"list":[1.10,123456789012345678901]}',
    );
  });

  it.each([
    ["add", '{"a":1}', '[{"op":"add","path":"/b","value":2}]', '{"a":1,"b":2}'],
    ["add in front", "[1]", '[{"op":"add","path":"/0","value":0}]', "[0,1]"],
    ["add the whole", "1", '[{"op":"add","path":"","value":[]}]', "[]"],
    ["remove", '{"a":1,"b":2}', '[{"op":"remove","path":"/a"}]', '{"b":2}'],
    ["replace", '{"a":[1]}', '[{"op":"replace","path":"/a/0","value":2}]', '{"a":[2]}'],
    ["move", '{"a":1}', '[{"op":"move","from":"/a","path":"/b"}]', '{"b":1}'],
    ["copy", '{"a":1}', '[{"op":"copy","from":"/a","path":"/b"}]', '{"a":1,"b":1}'],
    ["escapes", '{"a/b":{"~":1}}', '[{"op":"remove","path":"/a~1b/~0"}]', '{"a/b":{}}'],
    [
      "__proto__",
      "{}",
      '[{"op":"add","path":"/__proto__","value":{"x":1}}]',
      '{"__proto__":{"x":1}}',
    ],
    [
      "test",
      '{"a":{"x":1.0,"y":"\\u0061"}}',
      '[{"op":"test","path":"/a","value":{"y":"a","x":1}}]',
      '{"a":{"x":1.0,"y":"\\u0061"}}',
    ],
  ])("knows %s", (_name, text, operations, after) => {
    expect(patch(text, operations)).toBe(after);
  });

  it.each([
    ["{}", "{}", "PATCH_INVALID"],
    ["{}", "[1]", "PATCH_INVALID"],
    ["{}", '[{"op":"add","path":"/a"}]', "PATCH_INVALID"],
    ["{}", '[{"op":"add","path":"a","value":1}]', "PATCH_INVALID"],
    ["{}", '[{"op":"spend","path":"/a","value":1}]', "PATCH_INVALID"],
    ["{}", '[{"op":7,"path":"/a","value":1}]', "PATCH_INVALID"],
    ["{}", '[{"op":"remove","path":""}]', "PATCH_INVALID"],
    ['{"a":{}}', '[{"op":"move","from":"/a","path":"/a/b"}]', "PATCH_INVALID"],
    ["{}", '[{"op":"remove","path":"/a"}]', "KEY_NOT_FOUND"],
    ["{}", '[{"op":"replace","path":"/a","value":1}]', "KEY_NOT_FOUND"],
    ["{}", '[{"op":"add","path":"/a/b","value":1}]', "KEY_NOT_FOUND"],
    ["[]", '[{"op":"add","path":"/1","value":1}]', "KEY_NOT_FOUND"],
    ["{}", '[{"op":"replace","path":"/toString","value":1}]', "KEY_NOT_FOUND"],
    ['{"a":1}', '[{"op":"test","path":"/a","value":"1"}]', "PATCH_TEST_FAILED"],
    [
      '{"a":9007199254740993}',
      '[{"op":"test","path":"/a","value":9007199254740992}]',
      "PATCH_TEST_FAILED",
    ],
  ])("of %s by %s is refused with %s", (text, operations, code) => {
    expect(codeOf(text, operations)).toBe(code);
  });

  it("can't be made to grow without end, or to work without end", () => {
    const doubling = JSON.stringify(
      Array.from({ length: 100 }, () => ({ op: "copy", from: "", path: "/-" })),
    );
    expect(codeOf('["some text"]', doubling)).toBe("WRITE_TOO_LARGE");
    const many = JSON.stringify(
      Array.from({ length: 1_001 }, () => ({ op: "add", path: "/a", value: 1 })),
    );
    expect(codeOf("{}", many)).toBe("PATCH_INVALID");
    const large = `{"b":"${"x".repeat(2 ** 20)}"}`;
    const hundred = JSON.stringify(
      Array.from({ length: 100 }, () => ({ op: "test", path: "/b", value: "" })),
    );
    expect(codeOf(large, hundred, 2 ** 22)).toBe("PATCH_TEST_FAILED");
  });
});

describe("equal JSON", () => {
  it.each([
    ["1", "1.0", true],
    ["100", "1e2", true],
    ["-0", "0", true],
    ["0.10", "1E-1", true],
    ["12", "1.2e1", true],
    ["1", "-1", false],
    ["9007199254740993", "9007199254740992", false],
    ["1e999999999999", "1e999999999998", false],
    ["[1,2]", "[2,1]", false],
    ["[]", "{}", false],
    ['""', "null", false],
    ['{"a":1,"b":[{}]}', '{"b":[{}],"a":1}', true],
    ['{"a":1}', '{"b":1}', false],
  ])("%s and %s: %s", (left, right, same) => {
    expect(equalJson(left, right)).toBe(same);
    expect(equalJson(right, left)).toBe(same);
  });
});
