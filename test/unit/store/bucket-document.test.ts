import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { BucketDocument, type KeyChange } from "../../../src/store/bucket-document.ts";
import { ReservedPaths } from "../../../src/store/reserved-paths.ts";
import { PROPERTY_TIMEOUT_MS, key, runs, valueBytes } from "../../support/arbitraries.ts";
import { canonical, canonicalText } from "../../support/exact-json.ts";
import {
  changeOf,
  type Contents,
  documentOf,
  hiddenOf,
  type Step,
  textOf,
  valueAt,
} from "./model.ts";

vi.setConfig({ testTimeout: PROPERTY_TIMEOUT_MS });

const step: fc.Arbitrary<Step> = fc.record({
  key,
  value: fc.oneof(
    { weight: 6, arbitrary: valueBytes },
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant({ refused: "for a test" }) },
  ),
});
const history = fc.array(step, { maxLength: 25, size: "max" });
const path = fc.array(fc.constantFrom("a", "b", "c", "0", "1", "__proto__", "constructor", ""), {
  maxLength: 5,
});

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

/** All that a document must come to. */
function expectedOf(contents: Contents): string {
  const all = [...contents];
  const shown = all.filter(([, value]) => !("refused" in value)) as [string, Uint8Array][];
  const texts = shown.map(([key, value]) => [key, textOf(value)] as const);
  return JSON.stringify({
    text: canonicalText(documentOf(contents)),
    entries: texts.map(([key, { text }]) => `${key} ${text}`).toSorted(),
    hidden: hiddenOf(contents),
    hiddenCount: hiddenOf(contents).length,
    refused: all.flatMap(([key, value]) => ("refused" in value ? [key] : [])).toSorted(),
    refusedCount: contents.size - shown.length,
    keys: contents.size,
    binaryCount: texts.filter(([, { binary }]) => binary).length,
    bytes: texts.reduce((sum, [key, { text }]) => sum + key.length + text.length, 0),
  });
}

/** The same of a real document. */
function readAll(document: BucketDocument): string {
  const figures = document.figures();
  const entries = [...document.entries()];
  return JSON.stringify({
    text: canonical(document.text()),
    entries: entries.map(([key]) => `${key} ${document.entry(key)?.text}`).toSorted(),
    hidden: figures.hidden.toSorted(),
    hiddenCount: figures.hiddenCount,
    refused: figures.refused.map(({ key }) => key).toSorted(),
    refusedCount: figures.refusedCount,
    keys: figures.keys,
    binaryCount: figures.binaryCount,
    bytes: figures.bytes,
  });
}

describe("a bucket's document", () => {
  test("S4 depends on the bucket's keys and values alone, not on how they came", () => {
    fc.assert(
      fc.property(history, fc.nat(30), fc.nat(), (steps, split, turn) => {
        const expected = expectedOf(valuesOf(steps));
        const at = turn % Math.max(1, steps.length);
        const shuffled = (all: KeyChange[]): KeyChange[] => [
          ...all.slice(at).toReversed(),
          ...all.slice(0, at),
        ];
        expect(readAll(build(steps, 0))).toBe(expected);
        expect(readAll(build(steps, split, shuffled))).toBe(expected);
        expect(readAll(build(steps, steps.length, shuffled))).toBe(expected);
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
          expect(canonical(document.text(at))).toBe(expected);
        }
      }),
      runs(),
    );
  });

  test("S4 tells for each change the entries before and after, and the keys above, at and under a path", () => {
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
        expect(readAll(document)).toBe(expectedOf(new Map(contents)));
      }),
      runs(),
    );
  });
});
