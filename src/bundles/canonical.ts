import { type FieldsView, objectFields } from "../common/json-text.ts";
import {
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipValue,
} from "../common/json-scan.ts";
import type { BaseData } from "../policy/base-data.ts";

/**
 * The JSON text that OPA hashes in the place of a structured file: without white space, names in the order of their
 * bytes, strings as Go writes them, numbers as they are. In pieces, so that it can be made a little at a time.
 */
export function* canonicalPieces(data: BaseData): Generator<string> {
  yield* ofFields(data.fields);
}

function* ofFields(fields: FieldsView): Generator<string> {
  let start = "{";
  for (const name of sortedNames(fields)) {
    const value = fields.get(name)!;
    const before = `${start}${string(name)}:`;
    if (typeof value === "string") yield before + canonical(value);
    else {
      yield before;
      yield* ofFields(value);
    }
    start = ",";
  }
  yield start === "{" ? "{}" : "}";
}

/** The text of one value; it is as deep as any that may be in a bundle. */
function canonical(text: string): string {
  const start = skipSpace(text, 0);
  const code = text.charCodeAt(start);
  if (code === QUOTE) return string(JSON.parse(text) as string);
  if (code === OPEN_BRACE) {
    const fields = objectFields(text);
    const items = sortedNames(fields).map(
      (name) => `${string(name)}:${canonical(fields.get(name)!)}`,
    );
    return `{${items.join(",")}}`;
  }
  if (code === OPEN_BRACKET) return `[${elements(text, start).map(canonical).join(",")}]`;
  return text.trim();
}

function elements(text: string, start: number): string[] {
  const found: string[] = [];
  for (let index = skipSpace(text, start + 1); text.charCodeAt(index) !== CLOSE_BRACKET;) {
    const end = skipValue(text, index);
    found.push(text.slice(index, end));
    index = skipSpace(text, end);
    if (text.charCodeAt(index) === COMMA) index = skipSpace(text, index + 1);
  }
  return found;
}

/** Go's encoder also escapes the two line separators that JavaScript once could not have in a string. */
function string(value: string): string {
  return JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

function sortedNames(fields: { keys(): Iterable<string> }): string[] {
  const names = [...fields.keys()];
  const isSorted = names.every((name, index) => index === 0 || before(names[index - 1]!, name) < 0);
  return isSorted ? names : names.toSorted(before);
}

/** By the bytes of UTF-8, which is the order of code points; that of JavaScript differs beyond the first plane. */
function before(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left !== right)
      return isSurrogate(left) === isSurrogate(right) ? left - right : surrogateLast(left);
  }
  return a.length - b.length;
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

/** One of two different units is half of a pair: whatever it stands for is beyond all that are not. */
function surrogateLast(left: number): number {
  return isSurrogate(left) ? 1 : -1;
}
