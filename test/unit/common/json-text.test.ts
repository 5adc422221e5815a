import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  isDeeperThan,
  isObjectText,
  mergeObjects,
  nestingDepth,
  objectFields,
  objectText,
  parseJsonText,
  repairSurrogates,
  splitObject,
  textAt,
} from "../../../src/common/json-text.ts";
import {
  PROPERTY_TIMEOUT_MS,
  jsonText,
  nameText,
  objectJsonText,
  runs,
  stringContent,
} from "../../support/arbitraries.ts";
import { canonical, canonicalText, type Exact, exactJson } from "../../support/exact-json.ts";

vi.setConfig({ testTimeout: PROPERTY_TIMEOUT_MS });

const segment = fc.oneof(
  fc.constantFrom("a", "b", "0", "1", "00", "-0", "1.0", "", "__proto__", "constructor", "length"),
  nameText.map((text) => JSON.parse(text) as string),
);
const path = fc.array(segment, { maxLength: 5 });

function followed(value: Exact, path: readonly string[], objectsOnly = 0): Exact | undefined {
  let current: Exact | undefined = value;
  for (const [index, name] of path.entries()) {
    if (current instanceof Map) current = current.get(name);
    else if (Array.isArray(current) && index >= objectsOnly && /^(0|[1-9][0-9]*)$/.test(name)) {
      current = current[Number(name)];
    } else return undefined;
  }
  return current;
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map((item) => depthOf(item)));
}

function merged(under: Exact, over: Exact): Exact {
  if (!(under instanceof Map && over instanceof Map)) return over;
  const both = new Map(under);
  for (const [name, value] of over) {
    const below = under.get(name);
    both.set(name, below === undefined ? value : merged(below, value));
  }
  return both;
}

function canonicalOf(value: Exact | undefined): string | undefined {
  return value === undefined ? undefined : canonicalText(value);
}

/** A path into the value, most of the time to something. */
function pathInto(value: Exact, choices: readonly number[]): string[] {
  const walked: string[] = [];
  let current: Exact | undefined = value;
  for (const choice of choices) {
    const names: string[] =
      current instanceof Map
        ? [...current.keys()]
        : Array.isArray(current)
          ? current.map((_, index) => String(index))
          : [];
    if (names.length === 0) break;
    const name: string = names[choice % names.length]!;
    walked.push(name);
    current = followed(current!, [name]);
  }
  return walked;
}

describe("the plain reader that these tests compare with", () => {
  test("agrees with JSON.parse", () => {
    const plain = (value: Exact): unknown => {
      if (Array.isArray(value)) return value.map((item) => plain(item));
      if (!(value instanceof Map)) return JSON.parse(value.scalar);
      return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
    };
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(plain(exactJson(text))).toEqual(JSON.parse(text));
      }),
      runs(),
    );
  });
});

describe("objectFields", () => {
  test("S5 gives every field's own text, the last of equal names", () => {
    fc.assert(
      fc.property(objectJsonText, (text) => {
        const parsed = JSON.parse(text) as object;
        const fields = objectFields(text);
        expect([...fields.keys()].toSorted()).toEqual(Object.keys(parsed).toSorted());
        const exact = exactJson(text) as Map<string, Exact>;
        for (const [name, value] of fields) {
          expect(text).toContain(value);
          expect(value).toBe(value.trim());
          expect(canonical(value)).toBe(canonicalOf(exact.get(name)));
        }
      }),
      runs(),
    );
  });

  test("S6 treats __proto__ and numbers as names like any other", () => {
    const text = '{"__proto__":{"a":1},"0":2,"":3,"constructor":4,"\\u0061":5,"a":6}';
    expect([...objectFields(text)]).toEqual([
      ["__proto__", '{"a":1}'],
      ["0", "2"],
      ["", "3"],
      ["constructor", "4"],
      ["a", "6"],
    ]);
  });
});

describe("splitObject", () => {
  test("splits all the way down without losing anything", () => {
    fc.assert(
      fc.property(objectJsonText, (text) => {
        const fields = splitObject(text, true, () => true);
        expect(canonical(objectText(fields))).toBe(canonical(text));
      }),
      runs(),
    );
  });

  test("splits only where it is told to", () => {
    const text = '{"a":{"b":{"c":1}, "d":{}},"b":{"c":2},"a2":[{"b":1}]}';
    const guide = (depth: number, name: string): number | undefined =>
      name === "a" && depth === 0 ? depth + 1 : undefined;
    expect(splitObject(text, 0, guide)).toEqual(
      new Map<string, unknown>([
        [
          "a",
          new Map([
            ["b", '{"c":1}'],
            ["d", "{}"],
          ]),
        ],
        ["b", '{"c":2}'],
        ["a2", '[{"b":1}]'],
      ]),
    );
  });
});

describe("textAt", () => {
  test("S5 finds what the parsed value has there, to the digit", () => {
    fc.assert(
      fc.property(jsonText, path, fc.array(fc.nat(9), { maxLength: 5 }), (text, any, choices) => {
        const exact = exactJson(text);
        const into = pathInto(exact, choices);
        for (const path of [any, into, [...into, ...any]]) {
          expect(canonical(textAt(text, path))).toBe(canonicalOf(followed(exact, path)));
        }
      }),
      runs(),
    );
  });

  test("does not follow into arrays with the first segments when told so", () => {
    fc.assert(
      fc.property(
        jsonText,
        fc.array(fc.nat(9), { maxLength: 5 }),
        fc.nat(3),
        (text, choices, n) => {
          const exact = exactJson(text);
          const path = pathInto(exact, choices);
          expect(canonical(textAt(text, path, n))).toBe(canonicalOf(followed(exact, path, n)));
        },
      ),
      runs(),
    );
  });

  test.each([
    ['{"a":{"b":1},"a":{"c":2}}', ["a", "b"], undefined],
    ['{"a":{"b":1},"a":{"b":2}}', ["a", "b"], "2"],
    ['{"a":{"b":1},"a":3}', ["a", "b"], undefined],
    ['{"a":{"b":1},"\\u0061":{"b":4}}', ["a", "b"], "4"],
    ["[[1,[2,3]],4]", ["0", "1", "0"], "2"],
    ["[1]", ["1"], undefined],
    ["[]", ["0"], undefined],
    ["[1]", ["01"], undefined],
    ["[1]", ["99999999999999999999"], undefined],
    ['"a"', ["length"], undefined],
    ['{"9007199254740993":1e400}', ["9007199254740993"], "1e400"],
  ])("%s at %j is %s", (text, path, expected) => {
    expect(textAt(text, path)).toBe(expected);
  });
});

describe("nestingDepth", () => {
  test("counts arrays and objects, and no brackets in strings", () => {
    fc.assert(
      fc.property(jsonText, fc.nat(6), (text, limit) => {
        const exact = exactJson(text);
        const depth = nestingDepth(text);
        expect(isDeeperThan(text, limit)).toBe(depth > limit);
        // Equal names can hide a deeper value from a parsed object, never the other way round.
        expect(depth).toBeGreaterThanOrEqual(depthOf(JSON.parse(canonicalText(exact))));
        expect(nestingDepth(canonicalText(exact))).toBe(depthOf(JSON.parse(text)));
      }),
      runs(),
    );
  });
});

describe("repairSurrogates", () => {
  const half = fc.constantFrom("\\ud800", "\\uD83D", "\\udbFF", "\\uDC00", "\\udfff", "\\ude00");
  const content = fc
    .array(fc.oneof(half, half, stringContent, fc.constant("ud800")), { maxLength: 6 })
    .map((pieces) => pieces.join(""));

  test("S5 puts U+FFFD in the place of each half, as Go's encoding/json does", () => {
    fc.assert(
      fc.property(content, (content) => {
        const text = `"${content}"`;
        const repaired = repairSurrogates(text);
        const wellFormed = (JSON.parse(text) as string).replaceAll(/\p{Surrogate}/gu, "\ufffd");
        expect(JSON.parse(repaired)).toBe(wellFormed);
      }),
      runs(2000),
    );
  });

  test("S5 leaves everything else as it was written", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(repairSurrogates(text)).toBe(text);
      }),
      runs(),
    );
  });

  test.each([
    ['"\\ud83d\\ude00"', '"\\ud83d\\ude00"'],
    ['"\\ud83d\\ud83d\\ude00"', '"\\ufffd\\ud83d\\ude00"'],
    ['"\\ude00\\ud83d"', '"\\ufffd\\ufffd"'],
    ['"\\\\ud800"', '"\\\\ud800"'],
    ['"\\\\\\ud800"', '"\\\\\\ufffd"'],
    ['"\\ud800\\\\udc00"', '"\\ufffd\\\\udc00"'],
    ['{"\\ud800":"\\uD7FF"}', '{"\\ufffd":"\\uD7FF"}'],
  ])("%s becomes %s", (text, expected) => {
    expect(repairSurrogates(text)).toBe(expected);
  });
});

describe("parseJsonText", () => {
  test("S5 keeps JSON as it is written, without the white space around it", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(parseJsonText(`\n${text}\t `)).toBe(text.trim());
      }),
      runs(),
    );
  });

  test.each(["", " ", "{", "nul", "01", "1.", "\ufeff{}", "\u00a01", "'a'", "[1,]", '"\n"', "NaN"])(
    "S5 %j is not JSON",
    (text) => {
      expect(parseJsonText(text)).toBeUndefined();
    },
  );
});

describe("mergeObjects", () => {
  test("merges level by level, and lets the upper one stand where both can't", () => {
    fc.assert(
      fc.property(objectJsonText, objectJsonText, (under, over) => {
        const expected = canonicalText(merged(exactJson(under), exactJson(over)));
        expect(canonical(mergeObjects(under, over))).toBe(expected);
      }),
      runs(),
    );
  });

  test("S6 merges under __proto__ too", () => {
    const text = mergeObjects('{"__proto__":{"a":1}}', '{"__proto__":{"b":2}}');
    expect(text).toBe('{"__proto__":{"a":1,"b":2}}');
  });
});

describe("objectText", () => {
  test("S5 writes what objectFields has read", () => {
    fc.assert(
      fc.property(objectJsonText, (text) => {
        expect(isObjectText(text)).toBe(true);
        expect(canonical(objectText(objectFields(text)))).toBe(canonical(text));
      }),
      runs(),
    );
  });
});
