import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  nameAt,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipString,
  skipValue,
  valueAfterName,
} from "./json-scan.ts";

/**
 * Work on JSON as text. Values travel from NATS to policies and answers without being parsed and written
 * again, because that would change integers beyond 2^53 and number formats (RFC 8259 leaves both open).
 *
 * Every function but {@link parseJsonText} expects text that `JSON.parse` has already accepted.
 */

/** Whether the text is a JSON object. */
export function isObjectText(text: string): boolean {
  return text.charCodeAt(skipSpace(text, 0)) === OPEN_BRACE;
}

/** An object's fields: name → the value's own text, or in turn its fields where it was split. */
export type Fields = Map<string, string | Fields>;

/** The same to be read only, in whatever way they are kept; in the order in which they were first named. */
export interface FieldsView extends Iterable<[name: string, value: string | FieldsView]> {
  readonly size: number;
  get(name: string): string | FieldsView | undefined;
  keys(): Iterable<string>;
}

/**
 * The fields of an object's text. A field that is an object is split in turn where `deeper` answers with a
 * guide for what is in it. As in `JSON.parse`, the last of equal names counts.
 *
 * One pass whatever is split, so a value that repeats one name level by level costs no more than another.
 */
export function splitObject<Guide>(
  text: string,
  guide: Guide,
  deeper: (guide: Guide, name: string) => Guide | undefined,
): Fields {
  const whole: Fields = new Map();
  const outer: { readonly fields: Fields; readonly guide: Guide }[] = [];
  let fields = whole;
  let index = skipSpace(text, 0) + 1;
  for (;;) {
    index = skipSpace(text, index);
    const code = text.charCodeAt(index);
    if (code === COMMA) index++;
    else if (code === QUOTE) {
      const nameEnd = skipString(text, index);
      const name = nameAt(text, index, nameEnd);
      const start = valueAfterName(text, nameEnd);
      const inside = text.charCodeAt(start) === OPEN_BRACE ? deeper(guide, name) : undefined;
      if (inside === undefined) {
        index = skipValue(text, start);
        fields.set(name, text.slice(start, index));
      } else {
        const inner: Fields = new Map();
        fields.set(name, inner);
        outer.push({ fields, guide });
        fields = inner;
        guide = inside;
        index = start + 1;
      }
    } else {
      const back = outer.pop();
      if (back === undefined) return whole;
      ({ fields, guide } = back);
      index++;
    }
  }
}

/** The fields of an object's text: name → the value's own text. As in `JSON.parse`, the last of equal names counts. */
export function objectFields(text: string): Map<string, string> {
  return splitObject(text, undefined, () => undefined) as Map<string, string>;
}

/** Whether a segment of a path can be an element's position in an array. */
export function isPosition(segment: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/.test(segment);
}

/**
 * The text found by following `path` into a value, or undefined. A decimal number follows into an array,
 * as a path of OPA's data API does, but not with one of the first `objectsOnly` segments.
 *
 * One pass whatever the path, which may come from anybody.
 */
export function textAt(text: string, path: readonly string[], objectsOnly = 0): string | undefined {
  if (path.length === 0) return text;
  // The containers entered so far, one for each segment followed: an object, or the next position of an array.
  const entered: (number | undefined)[] = [];
  let found: string | undefined;
  let index = skipSpace(text, 0);
  for (;;) {
    // `index` stands on the value that the first `depth` segments lead to. An equal name may have led here before.
    const depth = entered.length;
    const code = text.charCodeAt(index);
    found = undefined;
    if (depth === path.length) {
      const end = skipValue(text, index);
      found = text.slice(index, end);
      index = end;
    } else if (code === OPEN_BRACE) {
      entered.push(undefined);
      index++;
    } else if (code === OPEN_BRACKET && depth >= objectsOnly && isPosition(path[depth]!)) {
      entered.push(0);
      index++;
    } else index = skipValue(text, index);

    index = nextOnPath(text, index, path, entered);
    if (entered.length === 0) return found;
  }
}

/** From inside of the containers entered, the index of the next value that the path leads to; leaves those that end before. */
function nextOnPath(
  text: string,
  index: number,
  path: readonly string[],
  entered: (number | undefined)[],
): number {
  while (entered.length > 0) {
    index = skipSpace(text, index);
    const code = text.charCodeAt(index);
    if (code === COMMA) {
      index++;
      continue;
    }
    if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      entered.pop();
      index++;
      continue;
    }
    const last = entered.length - 1;
    const segment = path[last]!;
    const position = entered[last];
    let onPath: boolean;
    if (position === undefined) {
      const nameEnd = skipString(text, index);
      onPath = nameAt(text, index, nameEnd) === segment;
      index = valueAfterName(text, nameEnd);
    } else {
      onPath = position === Number(segment);
      entered[last] = position + 1;
    }
    if (onPath) return index;
    index = skipValue(text, index);
  }
  return index;
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

/** What a JSON text can begin with. Plain text seldom does, and to find out by an error takes ten times as long. */
const JSON_STARTS = '{["-0123456789tfn';

/**
 * The text of a JSON value, ready for policies: checked, trimmed, surrogates repaired; undefined when it
 * is not JSON.
 */
export function parseJsonText(text: string): string | undefined {
  const start = text.charAt(skipSpace(text, 0));
  if (start === "" || !JSON_STARTS.includes(start)) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return repairSurrogates(text.trim());
}

/** The text of an object with these fields. */
export function objectText(
  fields: Iterable<readonly [name: string, value: string | FieldsView]>,
): string {
  const open = [fields[Symbol.iterator]()];
  let text = "{";
  let separator = "";
  for (;;) {
    const next = open.at(-1)!.next();
    if (next.done === true) {
      text += "}";
      separator = ",";
      open.pop();
      if (open.length === 0) return text;
      continue;
    }
    const [name, value] = next.value;
    text += `${separator}${JSON.stringify(name)}:`;
    separator = ",";
    if (typeof value === "string") text += value;
    else {
      text += "{";
      separator = "";
      open.push(value[Symbol.iterator]());
    }
  }
}

/** Two objects in one, field by field and level by level; where they can't both stand, `over` does. */
export function mergeObjects(under: string, over: string): string {
  // The shorter one is split all the way down, the longer one only where the shorter one has an object too.
  const shorter = under.length < over.length ? under : over;
  const outline = splitObject(shorter, true, () => true);
  const other = splitObject(shorter === under ? over : under, outline, (fields, name) => {
    const inside = fields.get(name);
    return typeof inside === "string" ? undefined : inside;
  });
  const [merged, upper] = shorter === under ? [outline, other] : [other, outline];
  const pairs: [under: Fields, over: Fields][] = [[merged, upper]];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [below, above] = pair;
    for (const [name, value] of above) {
      const lower = below.get(name);
      if (typeof value === "string" || lower === undefined || typeof lower === "string") {
        below.set(name, value);
      } else pairs.push([lower, value]);
    }
  }
  return objectText(merged);
}
