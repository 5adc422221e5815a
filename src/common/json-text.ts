/**
 * Work on JSON as text. Values travel from NATS to policies and answers without being parsed and written
 * again, because that would change integers beyond 2^53 and number formats (RFC 8259 leaves both open).
 *
 * Every function but {@link parseJsonText} expects text that `JSON.parse` has already accepted.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipSpace(text: string, index: number): number {
  while (index < text.length && isSpace(text.charCodeAt(index))) index++;
  return index;
}

/** `index` stands on the opening quote; the answer is the index behind the closing one. */
function skipString(text: string, index: number): number {
  for (;;) {
    index = text.indexOf('"', index + 1);
    let backslashes = 0;
    while (text.charCodeAt(index - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return index + 1;
  }
}

/** `index` stands on a value's first character; the answer is the index behind its last one. */
function skipValue(text: string, index: number): number {
  const first = text.charCodeAt(index);
  if (first === QUOTE) return skipString(text, index);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code)) break;
    }
    return index;
  }
  let depth = 0;
  for (;;) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = skipString(text, index);
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return index + 1;
    index++;
  }
}

/** Whether the text is a JSON object. */
export function isObjectText(text: string): boolean {
  return text.charCodeAt(skipSpace(text, 0)) === OPEN_BRACE;
}

/**
 * The fields of an object's text: name → the value's own text. As in `JSON.parse`, the last of equal names counts.
 */
export function objectFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let index = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(index) === QUOTE) {
    const nameEnd = skipString(text, index);
    const name = JSON.parse(text.slice(index, nameEnd)) as string;
    index = skipSpace(text, nameEnd);
    if (text.charCodeAt(index) === COLON) index = skipSpace(text, index + 1);
    const end = skipValue(text, index);
    fields.set(name, text.slice(index, end));
    index = skipSpace(text, end);
    if (text.charCodeAt(index) === COMMA) index = skipSpace(text, index + 1);
  }
  return fields;
}

function arrayElement(text: string, position: number): string | undefined {
  let index = skipSpace(text, skipSpace(text, 0) + 1);
  for (let at = 0; text.charCodeAt(index) !== CLOSE_BRACKET; at++) {
    const end = skipValue(text, index);
    if (at === position) return text.slice(index, end);
    index = skipSpace(text, end);
    if (text.charCodeAt(index) === COMMA) index = skipSpace(text, index + 1);
  }
  return undefined;
}

/**
 * The text found by following `path` into a value, or undefined. A decimal number follows into an array,
 * as a path of OPA's data API does.
 */
export function textAt(text: string, path: readonly string[]): string | undefined {
  let current: string | undefined = text;
  for (const segment of path) {
    if (current === undefined) return undefined;
    const first = current.charCodeAt(skipSpace(current, 0));
    if (first === OPEN_BRACE) current = objectFields(current).get(segment);
    else if (first === OPEN_BRACKET && /^(?:0|[1-9]\d{0,9})$/.test(segment)) {
      current = arrayElement(current, Number(segment));
    } else return undefined;
  }
  return current;
}

/** How deep arrays and objects are nested in a value; 0 for a scalar. */
export function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = skipString(text, index) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return deepest;
}

/**
 * Arrays and objects nested deeper than this are refused wherever they come from. OPA's WebAssembly parser
 * recurses, and overflows the stack somewhere above a thousand levels.
 */
export const MAX_JSON_DEPTH = 256;

/** Whether a value is nested deeper than `limit`. Short texts, which can't be, are not looked at. */
export function isDeeperThan(text: string, limit: number): boolean {
  return text.length > 2 * limit && nestingDepth(text) > limit;
}

// One escape at a time, so that a backslash which is itself escaped can't be taken for the start of another.
const ESCAPES =
  /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\[^]/g;
const HALF_SURROGATE = /^\\u[dD]...$/;

/**
 * Puts `\ufffd` in the place of escaped halves of surrogate pairs, as Go's encoding/json (and so OPA) does.
 * OPA's WebAssembly parser would abort on them.
 */
export function repairSurrogates(text: string): string {
  if (!text.includes("\\ud") && !text.includes("\\uD")) return text;
  return text.replace(ESCAPES, (escape) => (HALF_SURROGATE.test(escape) ? "\\ufffd" : escape));
}

/**
 * The text of a JSON value, ready for policies: checked, trimmed, surrogates repaired; undefined when it
 * is not JSON.
 */
export function parseJsonText(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return repairSurrogates(text.trim());
}

/** The text of an object with these fields. */
export function objectText(fields: Iterable<readonly [name: string, text: string]>): string {
  let text = "{";
  for (const [name, value] of fields) {
    text += `${text.length > 1 ? "," : ""}${JSON.stringify(name)}:${value}`;
  }
  return `${text}}`;
}

/** Two objects in one, field by field and level by level; where they can't both stand, `over` does. */
export function mergeObjects(under: string, over: string): string {
  const fields = objectFields(under);
  for (const [name, text] of objectFields(over)) {
    const below = fields.get(name);
    const both = below !== undefined && isObjectText(below) && isObjectText(text);
    fields.set(name, both ? mergeObjects(below, text) : text);
  }
  return objectText(fields);
}
