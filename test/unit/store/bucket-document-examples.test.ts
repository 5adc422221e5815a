import { describe, expect, test } from "vitest";
import { BucketDocument, LISTED_KEYS } from "../../../src/store/bucket-document.ts";
import { cpuTime } from "../../support/cpu-time.ts";
import { canonical } from "../../support/exact-json.ts";
import { changeOf } from "./model.ts";

describe("a bucket's document, in examples", () => {
  const put = (document: BucketDocument, key: string, json: string, revision = 1): void => {
    document.apply({ key, revision, value: { text: json, kind: "json" } });
  };

  test("S4 an object is overlaid field by field by deeper keys", () => {
    const document = new BucketDocument();
    put(document, "a.b.d", "3");
    put(document, "a", '{"b":{"c":1,"d":2},"e":9007199254740993}');
    expect(document.text()).toBe('{"a":{"b":{"c":1,"d":3},"e":9007199254740993}}');
    expect(document.figures().hidden).toEqual([]);
  });

  test.each(['"text"', "5", "null", "[1,2]", "false"])(
    "S4 %s is hidden while deeper keys exist, listed, and comes back after them",
    (value) => {
      const document = new BucketDocument();
      put(document, "a", value);
      put(document, "a.0", "1");
      put(document, "a.b.c", "2");
      expect(canonical(document.text())).toBe('{"a":{"0":1,"b":{"c":2}}}');
      expect(document.figures()).toMatchObject({ hidden: ["a"], hiddenCount: 1, keys: 3 });
      document.apply({ key: "a.0", revision: 4 });
      expect(document.figures().hidden).toEqual(["a"]);
      document.apply({ key: "a.b.c", revision: 5 });
      expect(document.text()).toBe(`{"a":${value}}`);
      expect(document.figures()).toMatchObject({ hidden: [], hiddenCount: 0, keys: 1 });
    },
  );

  test("S4 nothing of a hidden array is found by the positions of its elements", () => {
    const document = new BucketDocument();
    put(document, "a", '[["x","y"],["z"]]');
    put(document, "b", '{"c":[["x"]]}');
    put(document, "a.0.5", "1");
    put(document, "b.c.0.5", "2");
    for (const path of [
      ["a", "1"],
      ["a", "0", "0"],
      ["b", "c", "0", "0"],
      ["b", "c", "1"],
    ]) {
      expect(document.text(path)).toBeUndefined();
    }
    expect(document.text(["a", "0"])).toBe('{"5":1}');
    expect(document.text(["b", "c", "0"])).toBe('{"5":2}');
    put(document, "d", '{"e":[["x"]],"f":1}');
    put(document, "d.f.g", "3");
    expect(document.text(["d", "e", "0", "0"])).toBe('"x"');
  });

  test("N49 a delete marker touches its own key only", () => {
    const document = new BucketDocument();
    put(document, "a", '{"x":1}');
    put(document, "a.b", "2");
    put(document, "a.b.c", "3");
    document.apply({ key: "a", revision: 4 });
    expect(document.text()).toBe('{"a":{"b":{"c":3}}}');
    document.apply({ key: "a.b", revision: 5 });
    expect(document.text()).toBe('{"a":{"b":{"c":3}}}');
    expect(document.apply({ key: "a", revision: 6 })).toBeUndefined();
    expect(document.apply({ key: "a.b.c.d", revision: 7 })).toBeUndefined();
  });

  test("N53 a removed key takes the objects with it that only it held open", () => {
    const document = new BucketDocument();
    put(document, "a.b.c", "1");
    put(document, "a.d", "2");
    document.apply({ key: "a.b.c", revision: 3 });
    expect(document.text()).toBe('{"a":{"d":2}}');
    document.apply({ key: "a.d", revision: 4 });
    expect(document.text()).toBe("{}");
    expect(document.text(["a"])).toBeUndefined();
  });

  test("N68 numeric segments are names of fields, and cost no more than others", () => {
    const document = new BucketDocument();
    put(document, "users.100000000", "1");
    put(document, "users.bob", "2");
    expect(canonical(document.text())).toBe('{"users":{"100000000":1,"bob":2}}');
  });

  test("S6 __proto__ and constructor are ordinary names", () => {
    const document = new BucketDocument();
    put(document, "__proto__.admin", "true");
    put(document, "constructor", '{"__proto__":{"x":1}}');
    put(document, "constructor.__proto__.y", "2");
    expect(document.text()).toBe(
      '{"__proto__":{"admin":true},"constructor":{"__proto__":{"x":1,"y":2}}}',
    );
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    expect(document.text(["toString"])).toBeUndefined();
  });

  test("S6 an empty document is an empty object", () => {
    expect(new BucketDocument().text()).toBe("{}");
    expect(new BucketDocument().text([])).toBe("{}");
    expect(new BucketDocument().text(["a"])).toBeUndefined();
  });

  test("S5 a refused newer value takes the older one out of sight, until a good one comes", () => {
    const document = new BucketDocument();
    put(document, "a", "1", 1);
    const deep = new TextEncoder().encode("[".repeat(257) + "]".repeat(257));
    const difference = document.apply(changeOf({ key: "a", value: deep }, 2));
    expect(difference).toEqual({ previous: { text: "1", revision: 1 } });
    expect(document.text()).toBe("{}");
    expect(document.figures()).toMatchObject({
      keys: 1,
      bytes: 0,
      refused: [{ key: "a", reason: "its JSON is nested deeper than 256 levels" }],
    });
    expect(document.apply(changeOf({ key: "a", value: deep }, 3))).toBeUndefined();
    put(document, "a", "2", 4);
    expect(document.text()).toBe('{"a":2}');
    expect(document.figures().refusedCount).toBe(0);
  });

  test("a change that changes nothing is no difference", () => {
    const document = new BucketDocument();
    put(document, "a", "1", 7);
    const value = { text: "1", kind: "json" } as const;
    expect(document.apply({ key: "a", revision: 7, value })).toBeUndefined();
    expect(document.apply({ key: "a", revision: 8, value })).toBeDefined();
  });

  test("lists name at most a few keys, and counts are exact", () => {
    const document = new BucketDocument();
    for (let index = 0; index < LISTED_KEYS + 5; index++) {
      put(document, `h${index}`, "1");
      put(document, `h${index}.x`, "1");
      document.apply({ key: `r${index}`, revision: 1, refused: "for a test" });
    }
    const figures = document.figures();
    expect(figures.hidden).toHaveLength(LISTED_KEYS);
    expect(figures.refused).toHaveLength(LISTED_KEYS);
    expect(figures).toMatchObject({ hiddenCount: LISTED_KEYS + 5, refusedCount: LISTED_KEYS + 5 });
  });

  test("hostile values under deep keys take time in proportion to their text", () => {
    const levels = 250;
    const big = `[${"1,".repeat(1 << 19)}1]`;
    const document = new BucketDocument();
    put(document, "a", '{"a":'.repeat(levels) + big + "}".repeat(levels));
    put(document, `${"a.".repeat(levels)}b`, "2");
    const path = Array.from({ length: levels }, () => "a");
    const read = (): void => {
      expect(document.text()!.length).toBeGreaterThan(big.length);
      expect(document.text(path) === `{"a":${big},"b":2}`).toBe(true);
      expect(document.text([...path, "a"]) === big).toBe(true);
    };
    expect(cpuTime(read, 500)).toBeLessThan(500);
  });
});
