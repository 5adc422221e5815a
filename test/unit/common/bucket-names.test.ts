import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isBucketAllowed, matchesBucketPattern } from "../../../src/common/bucket-names.ts";

describe("bucket patterns", () => {
  test.each([
    ["*", "anything", true],
    ["*", "", true],
    ["team-*", "team-a", true],
    ["team-*", "team-", true],
    ["team-*", "my-team-a", false],
    ["*-prod", "a-prod", true],
    ["*-prod", "a-prod-2", false],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["a", "a", true],
    ["a", "A", false],
    ["a", "ab", false],
  ])("W7 %s against %s: %s", (pattern, name, expected) => {
    expect(matchesBucketPattern(pattern, name)).toBe(expected);
  });

  test("W7 agree with the regular expression of the same meaning", () => {
    const letters = (...of: string[]) =>
      fc.array(fc.constantFrom(...of), { maxLength: 8 }).map((list) => list.join(""));
    fc.assert(
      fc.property(letters("a", "b", "*"), letters("a", "b"), (pattern, name) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(name);
        expect(matchesBucketPattern(pattern, name)).toBe(expected);
      }),
    );
  });

  test("W7 a pattern with many stars takes no long time", () => {
    expect(matchesBucketPattern(`${"*a".repeat(100)}b`, "a".repeat(10_000))).toBe(false);
  }, 1_000);

  test("W7 deny wins over allow", () => {
    const patterns = { allow: ["team-*"], deny: ["team-secret*"] };
    expect(isBucketAllowed("team-a", patterns)).toBe(true);
    expect(isBucketAllowed("team-secret-1", patterns)).toBe(false);
    expect(isBucketAllowed("other", patterns)).toBe(false);
    expect(isBucketAllowed("team-a", { allow: [], deny: [] })).toBe(false);
  });
});
