import { LRUCache } from "lru-cache";
import { RE2JS } from "re2js";
import { globsIntersect } from "./globs-intersect.ts";
import type { Operands } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import type { Value } from "./value.ts";

/**
 * The `regex.*` that a policy module does not bring itself, with an engine that takes time in proportion to the
 * text whatever the pattern is, as RE2 in OPA.
 */
export const regexBuiltins: BuiltinFamily = family({
  "regex.split": (operands) => split(compile(operands.string(1)), operands.string(2)),
  "regex.find_n": (operands) => {
    const [pattern, text] = [operands.string(1), operands.string(2)];
    const count = operands.int(3);
    return findAll(compile(pattern), text, count).map(([whole]) => whole!.text);
  },
  "regex.replace": (operands) =>
    replace(operands.string(1), compile(operands.string(2)), operands.string(3)),
  "regex.template_match": templateMatch,
  "regex.globs_match": (operands) => globsIntersect(operands.string(1), operands.string(2)),
  "glob.quote_meta": (operands) => operands.string(1).replaceAll(/[*?\\[\]{}]/g, "\\$&"),
});

/** As many as OPA keeps. */
const compiled = new LRUCache<string, RE2JS>({ max: 100 });

interface Group {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

type Match = readonly (Group | undefined)[];

function compile(pattern: string): RE2JS {
  let regex = compiled.get(pattern);
  if (regex === undefined) {
    regex = RE2JS.compile(pattern);
    compiled.set(pattern, regex);
  }
  return regex;
}

/** As `RegExp`'s `test`, of a pattern that may match anywhere. */
export function linearRegExp(pattern: string): { test(text: string): boolean } {
  const regex = compile(pattern);
  return { test: (text) => regex.matcher(text).find() };
}

/** All matches, or the first `count`; an empty one that touches the match before does not count in Go. */
function findAll(regex: RE2JS, text: string, count = -1): Match[] {
  const matches: Match[] = [];
  const matcher = regex.matcher(text);
  let end = -1;
  while (matches.length !== count && matcher.find()) {
    if (matcher.start() === matcher.end() && matcher.start() === end) continue;
    end = matcher.end();
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, group) => {
      const start = matcher.start(group);
      if (start < 0) return undefined;
      return { start, end: matcher.end(group), text: text.slice(start, matcher.end(group)) };
    });
    matches.push(groups);
  }
  return matches;
}

/** As Go splits: an empty match at the very start does not make an empty part. */
function split(regex: RE2JS, text: string): Value {
  if (text === "") return [""];
  const parts: string[] = [];
  let [begin, end] = [0, 0];
  for (const [whole] of findAll(regex, text)) {
    end = whole!.start;
    if (whole!.end !== 0) parts.push(text.slice(begin, end));
    begin = whole!.end;
  }
  if (end !== text.length) parts.push(text.slice(begin));
  return parts;
}

function replace(text: string, regex: RE2JS, template: string): string {
  const names = regex.namedGroups();
  let result = "";
  let end = 0;
  for (const match of findAll(regex, text)) {
    result += text.slice(end, match[0]!.start) + expand(template, match, names);
    end = match[0]!.end;
  }
  return result + text.slice(end);
}

/** Go's templates: `$1`, `${1}`, `$name` (the longest name there is), `$$`. */
function expand(template: string, match: Match, names: Record<string, number>): string {
  return template.replaceAll(
    /\$(?:(\$)|\{(\w+)\}|([\p{L}\p{Nd}_]+))/gu,
    (_, dollar?: string, braced?: string, plain?: string) => {
      if (dollar !== undefined) return "$";
      const name = (braced ?? plain)!;
      const group = /^\d+$/.test(name)
        ? Number(name)
        : Object.hasOwn(names, name)
          ? names[name]!
          : -1;
      return match[group]?.text ?? "";
    },
  );
}

/** The parts between the delimiters are patterns, the rest is text. */
function templateMatch(operands: Operands): boolean {
  const [template, text] = [operands.string(1), operands.string(2)];
  const start = delimiter("start", operands.string(3));
  const end = delimiter("end", operands.string(4));
  let pattern = "^";
  let [level, opened, closed] = [0, 0, 0];
  for (let index = 0; index < template.length; index++) {
    const character = template[index];
    // The same character may do both; it opens first.
    if (character === start) {
      if (++level === 1) opened = index;
    } else if (character === end) {
      if (--level < 0) break;
      if (level > 0) continue;
      const part = template.slice(opened + 1, index);
      compile(`^${part}$`);
      pattern += `${RE2JS.quote(template.slice(closed, opened))}(${part})`;
      closed = index + 1;
    }
  }
  if (level !== 0) throw new Error(`unbalanced braces in ${JSON.stringify(template)}`);
  return compile(`${pattern}${RE2JS.quote(template.slice(closed))}$`).test(text);
}

function delimiter(which: string, text: string): string {
  if (Buffer.byteLength(text) === 1) return text;
  throw new Error(
    `${which} delimiter has to be exactly one character long but is ${Buffer.byteLength(text)} long`,
  );
}
