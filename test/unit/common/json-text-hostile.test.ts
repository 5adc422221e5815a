import { describe, expect, test } from "vitest";
import {
  isDeeperThan,
  mergeObjects,
  nestingDepth,
  objectFields,
  parseJsonText,
  repairSurrogates,
  textAt,
} from "../../../src/common/json-text.ts";
import { cpuTime } from "../../support/cpu-time.ts";

describe("hostile text", () => {
  const MEGABYTE = 1 << 20;
  const fill = (unit: string, bytes = MEGABYTE): string =>
    unit.repeat(Math.ceil(bytes / unit.length));
  const nested = (open: string, inside: string, close: string, levels: number): string =>
    open.repeat(levels) + inside + close.repeat(levels);
  const numbers = `[${fill("1,")}1]`;
  const sameNames = nested('{"a":', numbers, "}", 255);
  const names = Array.from({ length: 255 }, () => "a");
  const far = names.slice(1);

  // Each of these took seconds if its time grew with the square of the text, or with depth times text.
  const LIMIT_MS = 500;
  test.each<[string, () => unknown]>([
    ["backslashes", () => nestingDepth(`"${fill("\\\\")}"`)],
    ["escaped quotes", () => nestingDepth(`"${fill('\\"')}"`)],
    ["backslashes in names", () => objectFields(`{${fill('"\\\\":1,')}"a":1}`)],
    ["white space", () => objectFields(`{${fill(" ")}"a"${fill("\n")}:${fill("\t")}1 }`)],
    ["halves of surrogates", () => repairSurrogates(`"${fill("\\ud800")}"`)],
    ["a half behind backslashes", () => repairSurrogates(`"\\ud800${fill("\\\\")}"`)],
    ["a path through equal names", () => textAt(sameNames, far)],
    [
      "a path through numbers",
      () =>
        textAt(
          nested("[", numbers, "]", 255),
          names.map(() => "0"),
        ),
    ],
    ["a merge through equal names", () => mergeObjects(sameNames, sameNames)],
    ["a merge with little", () => mergeObjects(sameNames, nested('{"a":', "{}", "}", 255))],
  ])("%s take time in proportion to the text", (_, work) => {
    expect(cpuTime(work, LIMIT_MS)).toBeLessThan(LIMIT_MS);
  });

  test("deep text does not overflow the stack", () => {
    const levels = 50_000;
    const objects = nested('{"a":', "1", "}", levels);
    const arrays = nested("[", "1", "]", levels);
    const path = (name: string): string[] => Array.from({ length: levels }, () => name);
    expect(nestingDepth(arrays)).toBe(levels);
    expect(isDeeperThan(objects, 256)).toBe(true);
    expect(parseJsonText(arrays)).toBe(arrays);
    expect(objectFields(objects).get("a")).toHaveLength(objects.length - 6);
    expect(textAt(objects, path("a"))).toBe("1");
    expect(textAt(arrays, path("0"))).toBe("1");
    expect(mergeObjects(objects, objects) === objects).toBe(true);
  });
});
