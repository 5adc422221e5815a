import { existsSync, readFileSync } from "node:fs";
import {
  createSourceFile,
  forEachChild,
  isCallExpression,
  isIdentifier,
  isPropertyAccessExpression,
  isStringLiteralLike,
  isTaggedTemplateExpression,
  isTemplateExpression,
  type Node,
  ScriptTarget,
} from "typescript";
import { describe, expect, it } from "vitest";
import { readDocument, ROOT } from "../../docs/blocks.ts";

const CONCEPTS = readDocument("docs/concepts.md");

/** Every guarantee: its name in the document, and the names of its kind. */
const GUARANTEES = {
  S: 6,
  W: 8,
  C: 6,
  R: 4,
  P: 5,
  F: 2,
  L: 1,
};

interface Evidence {
  readonly id: string;
  readonly sources: readonly string[];
  readonly tests: readonly { readonly file: string; readonly names: readonly string[] }[];
}

/** What stands below each guarantee: `Held in` with sources, `Shown by` with tests and what their names contain. */
function evidence(): Evidence[] {
  return [...CONCEPTS.matchAll(/^\*\*([A-Z]\d)\. .*\n\n(Held in .*)$/gm)].map(([, id, line]) => {
    const [held, shown = ""] = line!.split("Shown by ");
    return {
      id: id!,
      sources: [...held!.matchAll(/`(src\/[^`]+)`/g)].map(([, file]) => file!),
      tests: [...shown.matchAll(/`(test\/[^`]+)` \(("[^)]*")\)/g)].map(([, file, names]) => ({
        file: file!,
        names: [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
      })),
    };
  });
}

/** The names of a file's tests and their groups, as far as they are written out. */
function testNames(file: string): string[] {
  const source = createSourceFile(file, readFileSync(ROOT + file, "utf8"), ScriptTarget.Latest);
  const names: string[] = [];
  const visit = (node: Node): void => {
    if (isCallExpression(node) && ["it", "test", "describe"].includes(rootOf(node.expression))) {
      const [name] = node.arguments;
      if (name !== undefined && isStringLiteralLike(name)) names.push(name.text);
      if (name !== undefined && isTemplateExpression(name)) {
        names.push(
          [name.head, ...name.templateSpans.map(({ literal }) => literal)]
            .map(({ text }) => text)
            .join("…"),
        );
      }
    }
    forEachChild(node, visit);
  };
  visit(source);
  return names;
}

/** `it` of `it.each(table)`, and of the like. */
function rootOf(node: Node): string {
  if (isIdentifier(node)) return node.text;
  if (isPropertyAccessExpression(node) || isCallExpression(node)) return rootOf(node.expression);
  return isTaggedTemplateExpression(node) ? rootOf(node.tag) : "";
}

describe("docs/concepts.md", () => {
  it("has every guarantee, with its code and its tests", () => {
    const ids = Object.entries(GUARANTEES).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
    );
    expect(evidence().map(({ id }) => id)).toEqual(ids);
  });

  it.each(evidence())("$id names code and tests that are there", ({ sources, tests }) => {
    expect(sources.length).toBeGreaterThan(0);
    expect(sources.filter((file) => !existsSync(ROOT + file))).toEqual([]);
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, names } of tests) {
      expect([file, existsSync(ROOT + file)]).toEqual([file, true]);
      const known = testNames(file);
      expect(names.length).toBeGreaterThan(0);
      const missing = names.filter((name) => !known.some((one) => one.includes(name)));
      expect([file, missing]).toEqual([file, []]);
    }
  });

  it.each([
    ["src/nats/follow-consumer.ts", "HEARTBEAT_MS = 1_000", "at most about a second ago"],
    ["src/nats/bucket-stream.ts", "SILENCE_MS = 3 * HEARTBEAT_MS", "3 to 3.5 s until the silence"],
    ["src/watch/auditor.ts", "FIRST_AUDIT_MS = 1_000", "within a second of a load"],
    ["src/watch/auditor.ts", "intervalMs * 2", "twice as long"],
    ["src/watch/heard.ts", "STANDSTILL_TICKS = 4", "for 4 s"],
    ["src/watch/auditor.ts", "LISTING_SHARE = 0.05", "a twentieth of the time"],
    ["src/watch/auditor.ts", "LISTING_MS_PER_KEY = 0.01", "0.01 ms for each key"],
    ["src/watch/auditor.ts", "0.9 + 0.2 * clock.random()", "a tenth more or less by chance"],
    ["src/watch/absent-buckets.ts", "THRASH_MS = 60_000", "within a minute of its eviction"],
    [
      "src/watch/lookup-limit.ts",
      "burst = 100, refillPerSecond = 20",
      "20 times a second after the first 100",
    ],
    ["src/watch/expiry-timer.ts", "MAX_WAIT_MS = 1_000", "The machine's clock was set | A second"],
    ["src/config/nats-schema.ts", 'duration("1m", 2_000)', "`staleness`, from 2 s on"],
    ["src/decisions/decision-log.ts", "closeTimeoutMs = 5_000", "for 5 seconds to deliver"],
  ])("gives the numbers of the code: %s, %s", (file, inSource, inDocument) => {
    expect(readFileSync(ROOT + file, "utf8")).toContain(inSource);
    expect(CONCEPTS).toContain(inDocument);
  });

  it("names all causes of a repair, and no other", () => {
    const rows = [...CONCEPTS.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].map(([, cell]) => cell!);
    const table = rows
      .join()
      .match(/\w+/g)!
      .filter((word) => word !== "repairs");
    const source = ["src/watch/listen.ts", "src/nats/bucket-source.ts"]
      .map((file) => readFileSync(ROOT + file, "utf8"))
      .flatMap((text) => [...text.matchAll(/^export type (?:RepairCause|GapCause) = (.*);/gm)])
      .flatMap(([, union]) => [...union!.matchAll(/"(\w+)"/g)].map(([, cause]) => cause!));
    expect(table.toSorted()).toEqual(source.toSorted());
    expect(source).toContain("vanished");
  });
});
