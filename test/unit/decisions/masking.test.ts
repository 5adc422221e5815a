import { describe, expect, it } from "vitest";
import type { Maskable } from "../../../src/decisions/event.ts";
import { applyMasks, parseMaskRules } from "../../../src/decisions/masking.ts";

function masked(content: Partial<Maskable>, masks: unknown): Maskable {
  const rules = parseMaskRules(typeof masks === "string" ? masks : JSON.stringify(masks));
  return applyMasks({ erased: [], masked: [], ...content }, rules);
}

describe("masks", () => {
  it("L1 remove what a pointer leads to, and say so", () => {
    const input = '{"user": "a", "password": "x", "cards": [1, 2, 3], "deep": {"a/b": 1, "c": 2}}';
    const pointers = ["/input/password", "/input/cards/1", "/input/deep/a~1b"];
    expect(masked({ input }, pointers)).toEqual({
      input: '{"user":"a","cards":[1,3],"deep":{"c":2}}',
      erased: pointers,
      masked: [],
    });
  });

  it("L1 leave what they don't find, without a word of it", () => {
    const content = { input: '{"a":[1],"b":"text"}' };
    const pointers = ["/input/x", "/input/a/7", "/input/a/x", "/input/b/c", "/result/a", "/result"];
    expect(masked(content, pointers)).toEqual({ ...content, erased: [], masked: [] });
  });

  it("L1 replace, and make what is missing on the way", () => {
    const masks = [
      { op: "upsert", path: "/input/card", value: "***" },
      { op: "upsert", path: "/input/new/deep", value: null },
      { op: "upsert", path: "/input/list/0", value: { a: 1 } },
      { op: "upsert", path: "/input/list/9", value: 1 },
      { op: "remove", path: "/result/token" },
    ];
    const content = { input: '{"card":"4111","list":[0,1]}', result: '{"token":"t","ok":true}' };
    expect(masked(content, masks)).toEqual({
      input: '{"card":"***","list":[{"a":1},1],"new":{"deep":null}}',
      result: '{"ok":true}',
      erased: ["/result/token"],
      masked: ["/input/card", "/input/new/deep", "/input/list/0"],
    });
  });

  it("L1 take the whole of input or result", () => {
    const content = { input: "1", result: "true" };
    const masks = ["/input", { op: "upsert", path: "/result", value: { a: [] } }];
    expect(masked(content, masks)).toEqual({
      input: undefined,
      result: '{"a":[]}',
      erased: ["/input"],
      masked: ["/result"],
    });
  });

  it("S5 leave every digit of the other numbers as it is", () => {
    const input = '{"id":12345678901234567890,"n":1.50,"x":0}';
    expect(masked({ input }, ["/input/x"]).input).toBe('{"id":12345678901234567890,"n":1.50}');
    const upsert = '[{"op":"upsert","path":"/input/x","value":9007199254740993}]';
    expect(masked({ input }, upsert).input).toContain('"x":9007199254740993');
  });

  it("know no special names", () => {
    const input = '{"__proto__":{"secret":1},"constructor":{"prototype":2}}';
    expect(masked({ input }, ["/input/__proto__/secret", "/input/constructor/prototype"])).toEqual({
      input: '{"__proto__":{},"constructor":{}}',
      erased: ["/input/__proto__/secret", "/input/constructor/prototype"],
      masked: [],
    });
    const upsert = [{ op: "upsert", path: "/input/__proto__/polluted", value: true }];
    expect(masked({ input: "{}" }, upsert).input).toBe('{"__proto__":{"polluted":true}}');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("take out a name that is given twice altogether", () => {
    const input = '{"password":"first","password":"second"}';
    expect(masked({ input }, ["/input/password"]).input).toBe("{}");
  });

  it.each([
    ["no list", '{"op":"remove"}'],
    ["a text", '"/input/a"'],
    ["a number in the list", "[7]"],
    ["a list in the list", "[[]]"],
    ["an unknown op", '[{"op":"erase","path":"/input/a"}]'],
    ["no op", '[{"path":"/input/a"}]'],
    ["no path", '[{"op":"remove"}]'],
    ["a path that is no text", '[{"op":"remove","path":["input"]}]'],
    ["no slash in front", '["input/a"]'],
    ["an empty pointer", '[""]'],
    ["another part of the event", '["/labels/id"]'],
    ["a part that begins alike", '["/inputs/a"]'],
    ["a bad escape", '["/input/a~2"]'],
    ["a path that is too deep", JSON.stringify([`/input${"/a".repeat(2_000)}`])],
  ])("refuse %s as a whole, without repeating it", (_name, text) => {
    expect(() => parseMaskRules(text)).toThrow(expect.objectContaining({ code: "DECISION_MASK" }));
    expect(() => parseMaskRules(text)).not.toThrow(/erase|inputs/);
  });
});
