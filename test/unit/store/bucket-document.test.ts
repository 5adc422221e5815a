import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BucketDocument, type KeyChange, LISTED_KEYS } from "../../../src/store/bucket-document.ts";
import { ReservedPaths } from "../../../src/store/reserved-paths.ts";
import { decodeValue } from "../../../src/store/value.ts";
import { key, runs, valueBytes } from "../../support/arbitraries.ts";
import { canonical, canonicalText } from "../../support/exact-json.ts";
import { type Contents, documentOf, hiddenOf, textOf, valueAt } from "./model.ts";

interface Step {
  readonly key: string;
  /** Bytes, a refusal, or a removal. */
  readonly value: Uint8Array | { readonly refused: string } | undefined;
}

const step: fc.Arbitrary<Step> = fc.record({
  key,
  value: fc.oneof(
    { weight: 6, arbitrary: valueBytes },
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant({ refused: "for a test" }) },
  ),
});
const history = fc.array(step, { maxLength: 30 });
const path = fc.array(fc.constantFrom("a", "b", "c", "0", "1", "__proto__", "constructor", ""), {
  maxLength: 5,
});

function changeOf({ key, value }: Step, revision: number): KeyChange {
  if (value === undefined) return { key, revision };
  if ("refused" in value) return { key, revision, refused: value.refused };
  const decoded = decodeValue(value, key.split(".").length);
  return "refused" in decoded
    ? { key, revision, refused: decoded.refused }
    : { key, revision, value: decoded };
}

/** The bucket after a history, as NATS would hand it over: the last change of each key that is not a removal. */
function contentsOf(steps: readonly Step[]): Map<string, { step: Step; revision: number }> {
  const contents = new Map<string, { step: Step; revision: number }>();
  for (const [index, step] of steps.entries()) {
    contents.delete(step.key);
    if (step.value !== undefined) contents.set(step.key, { step, revision: index + 1 });
  }
  return contents;
}

function valuesOf(steps: readonly Step[]): Contents {
  return new Map([...contentsOf(steps)].map(([key, { step }]) => [key, step.value!]));
}

/** Loads what a history of `split` steps has left, in some order, and follows the rest live. */
function build(
  steps: readonly Step[],
  split: number,
  order: (keys: KeyChange[]) => KeyChange[] = (keys) => keys,
  document = new BucketDocument(),
): BucketDocument {
  const loaded = [...contentsOf(steps.slice(0, split)).values()];
  for (const change of order(loaded.map(({ step, revision }) => changeOf(step, revision)))) {
    document.apply(change);
  }
  for (const [index, step] of steps.entries()) {
    if (index >= split) document.apply(changeOf(step, index + 1));
  }
  return document;
}

function expectEqual(document: BucketDocument, contents: Contents): void {
  const shown = [...contents].filter(([, value]) => !("refused" in value)) as [
    string,
    Uint8Array,
  ][];
  const refused = [...contents].filter(([, value]) => "refused" in value).map(([key]) => key);
  const texts = shown.map(([key, value]) => [key, textOf(value)] as const);
  expect(canonical(document.text())).toBe(canonicalText(documentOf(contents)));
  const figures = document.figures();
  expect(figures.hidden.toSorted()).toEqual(hiddenOf(contents));
  expect(figures.hiddenCount).toBe(hiddenOf(contents).length);
  expect(figures.refused.map(({ key }) => key).toSorted()).toEqual(refused.toSorted());
  expect(figures.refusedCount).toBe(refused.length);
  expect(figures.keys).toBe(contents.size);
  expect(figures.binaryCount).toBe(texts.filter(([, { binary }]) => binary).length);
  expect(figures.bytes).toBe(
    texts.reduce((sum, [key, { text }]) => sum + key.length + text.length, 0),
  );
  const entries = new Map([...document.entries()].map(([key, { text }]) => [key, text]));
  expect(entries).toEqual(new Map(texts.map(([key, { text }]) => [key, text])));
  for (const [key, text] of entries) expect(document.entry(key)?.text).toBe(text);
}

describe("a bucket's document", () => {
  test("S4 depends on the bucket's keys and values alone, not on how they came", () => {
    fc.assert(
      fc.property(history, fc.nat(30), fc.nat(), (steps, split, turn) => {
        const contents = valuesOf(steps);
        expectEqual(build(steps, 0), contents);
        expectEqual(build(steps, split), contents);
        const rotated = (all: KeyChange[]): KeyChange[] => {
          const at = all.length === 0 ? 0 : turn % all.length;
          return [...all.slice(at), ...all.slice(0, at)];
        };
        expectEqual(build(steps, steps.length, rotated), contents);
        expectEqual(
          build(steps, steps.length, (all) => all.toReversed()),
          contents,
        );
      }),
      runs(),
    );
  });

  test("S4 has at every path what the whole document has there", () => {
    fc.assert(
      fc.property(history, fc.array(path, { maxLength: 10 }), (steps, paths) => {
        const document = build(steps, 0);
        const whole = documentOf(valuesOf(steps));
        for (const at of [...paths, ...steps.map(({ key }) => key.split(".")), []]) {
          const value = valueAt(whole, at);
          const expected = value === undefined ? undefined : canonicalText(value);
          expect(canonical(document.text(at)), at.join(".")).toBe(expected);
        }
      }),
      runs(),
    );
  });

  test("S4 tells for each change the entries before and after, and the keys that decide a path", () => {
    fc.assert(
      fc.property(history, path, (steps, path) => {
        const document = new BucketDocument();
        for (const [index, step] of steps.entries()) {
          const revision = index + 1;
          const previous = document.entry(step.key);
          const difference = document.apply(changeOf(step, revision));
          const current = document.entry(step.key);
          expect(difference?.previous).toEqual(previous);
          expect(difference?.current).toEqual(current);
          expect(difference === undefined).toBe(previous === undefined && current === undefined);
        }
        const prefix = (long: readonly string[], short: readonly string[]): boolean =>
          short.every((name, index) => long[index] === name);
        const deciding = [...document.entries()].filter(([key]) => {
          const names = key.split(".");
          return prefix(names, path) || prefix(path, names);
        });
        expect(new Map(document.entries(path))).toEqual(new Map(deciding));
      }),
      runs(),
    );
  });

  test("S4 is empty and remembers nothing once every key is removed", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const removals = [...new Set(steps.map(({ key }) => key))].map((key) => ({
          key,
          value: undefined,
        }));
        const document = build([...steps, ...removals], 0);
        expect(document.text()).toBe("{}");
        expect(document.figures()).toEqual(new BucketDocument().figures());
      }),
      runs(),
    );
  });

  test("S6 shows the root bucket without what is reserved, and counts that as refused", () => {
    const reserved = new ReservedPaths([
      { path: ["a", "b"], owner: "the policy" },
      { path: ["constructor"], owner: "the policy" },
    ]);
    const taken = new Set(["a", "a.b", "a.b.c", "a.b.c.d", "a.b.d", "constructor"]);
    taken.add("constructor.prototype.a").add("nats").add("system.a");
    fc.assert(
      fc.property(history, fc.nat(30), (steps, split) => {
        const document = new BucketDocument((key) => reserved.conflictWith(key));
        build(steps, split, (all) => all, document);
        const contents = [...valuesOf(steps)].map(([key, value]) =>
          taken.has(key) ? ([key, { refused: "reserved" }] as const) : ([key, value] as const),
        );
        expectEqual(document, new Map(contents));
      }),
      runs(),
    );
  });
});

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
    const start = performance.now();
    expect(document.text()!.length).toBeGreaterThan(big.length);
    expect(document.text(path)).toBe(`{"a":${big},"b":2}`);
    expect(document.text([...path, "a"])).toBe(big);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
