import { expect } from "vitest";

/** What may be anything, in an answer that a document shows: a part of a line, lines, a value, or more fields. */
export const ANYTHING = "…";

/** Fails where the output is not what the document shows; in what language, the block's fence says. */
export function expectAnswer(language: string, shown: string, output: string): void {
  if (language === "json") {
    expect(JSON.parse(output)).toEqual(asMatcher(JSON.parse(shown)));
    return;
  }
  expect(output).toMatch(asPattern(shown));
}

/** What a program that goes on has written when it has written this. */
export function asBeginning(shown: string): RegExp {
  return new RegExp(asPattern(shown).source.slice(0, -1));
}

/** A line of nothing but "…" is any number of lines. */
function asPattern(shown: string): RegExp {
  const lines = shown.split("\n").map((line, index, all) => {
    if (line.trim() === ANYTHING) return "(?:.*\n)*?";
    const escaped = line.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    return escaped.replaceAll(ANYTHING, ".*?") + (index < all.length - 1 ? "\n" : "");
  });
  return new RegExp(`^${lines.join("")}$`);
}

/** A text with "…" is a pattern, and a field of that name stands for any further ones. */
function asMatcher(shown: unknown): unknown {
  if (typeof shown === "string") {
    if (shown === ANYTHING) return expect.anything();
    return shown.includes(ANYTHING) ? expect.stringMatching(asPattern(shown)) : shown;
  }
  if (Array.isArray(shown)) return shown.map(asMatcher);
  if (typeof shown !== "object" || shown === null) return shown;
  const fields = Object.entries(shown).filter(([name]) => name !== ANYTHING);
  const matcher = Object.fromEntries(fields.map(([name, value]) => [name, asMatcher(value)]));
  return ANYTHING in shown ? expect.objectContaining(matcher) : matcher;
}
