import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
} from "./json-scan.ts";
import { FieldTable } from "./field-table.ts";
import { isDeeperThan, MAX_JSON_DEPTH, repairSurrogates } from "./json-text.ts";

/** Objects of more characters than this are taken apart, field by field. */
const PIECE_LENGTH = 4_096;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** What is wrong with a text that is no object, or not one that can be used. */
export class SplitError extends Error {
  readonly problem: "syntax" | "not-object" | "too-deep";

  constructor(problem: SplitError["problem"], message: string) {
    super(message);
    this.problem = problem;
  }
}

/**
 * Checks the text of a JSON object and takes it apart, a little at a time: large objects become their fields, down
 * to values of a few kilobytes, so that nobody who works on them piece by piece is kept long by one. A list is one
 * piece, however long it is. As in `JSON.parse`, the last of equal names counts.
 */
export class JsonSplitter {
  /** The object's fields; complete once {@link slice} has answered true. */
  readonly fields: FieldTable;
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #open: FieldTable[];
  #index: number;
  /** Whether a name or the object's end must follow, and not a comma. */
  #atStart = true;

  /** `maxDepth`: how deep arrays and objects may be nested. Throws a {@link SplitError}. */
  constructor(text: string, maxDepth: number = MAX_JSON_DEPTH) {
    this.fields = new FieldTable(text);
    this.#open = [this.fields];
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#index = skipSpace(text, 0);
    if (text.charCodeAt(this.#index) === OPEN_BRACE) this.#index++;
    else {
      checked(text);
      throw new SplitError("not-object", "it does not hold an object");
    }
  }

  /** Goes on until `performance.now()` is `end`; true when all is done. Throws a {@link SplitError}. */
  slice(end: number): boolean {
    do {
      if (this.#open.length === 0) {
        if (skipSpace(this.#text, this.#index) < this.#text.length) throw this.#unexpected();
        return true;
      }
      this.#step();
    } while (performance.now() < end);
    return false;
  }

  #step(): void {
    const text = this.#text;
    this.#index = skipSpace(text, this.#index);
    let code = text.charCodeAt(this.#index);
    if (code === CLOSE_BRACE) {
      this.#open.pop();
      this.#atStart = false;
      this.#index++;
      return;
    }
    if (!this.#atStart) {
      if (code !== COMMA) throw this.#unexpected();
      this.#index = skipSpace(text, this.#index + 1);
      code = text.charCodeAt(this.#index);
    }
    if (code !== QUOTE) throw this.#unexpected();
    const nameStart = this.#index;
    const nameEnd = endOfString(text, nameStart, text.length);
    if (nameEnd < 0) throw this.#unexpected();
    const name = checked(repairSurrogates(text.slice(nameStart, nameEnd))) as string;
    this.#index = skipSpace(text, nameEnd);
    if (text.charCodeAt(this.#index) !== COLON) throw this.#unexpected();
    this.#index = skipSpace(text, this.#index + 1);
    this.#value(name, nameStart);
  }

  #value(name: string, nameStart: number): void {
    const text = this.#text;
    const start = this.#index;
    const fields = this.#open.at(-1)!;
    let end = -1;
    if (text.charCodeAt(start) === OPEN_BRACE) {
      end = endOfValue(text, start, Math.min(text.length, start + PIECE_LENGTH));
      if (end < 0) {
        if (this.#open.length >= this.#maxDepth) throw tooDeep(this.#maxDepth);
        const inner = new FieldTable(text);
        fields.set(name, nameStart, start, start, inner);
        this.#open.push(inner);
        this.#index = start + 1;
        this.#atStart = true;
        return;
      }
    } else end = endOfValue(text, start, text.length);
    if (end < 0) throw this.#unexpected();
    const value = text.slice(start, end).trimEnd();
    checked(value);
    if (isDeeperThan(value, this.#maxDepth - this.#open.length)) throw tooDeep(this.#maxDepth);
    fields.set(name, nameStart, start, start + value.length);
    this.#index = end;
    this.#atStart = false;
  }

  #unexpected(): SplitError {
    const found = this.#text.charAt(this.#index);
    const what = found === "" ? "the end of the text" : JSON.stringify(found);
    return new SplitError("syntax", `${what} at position ${this.#index} is unexpected`);
  }
}

function tooDeep(maxDepth: number): SplitError {
  return new SplitError("too-deep", `it is nested deeper than ${maxDepth} levels`);
}

function checked(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SplitError("syntax", (error as Error).message);
  }
}

/** Where a string ends; -1 when it doesn't before `limit`. */
function endOfString(text: string, start: number, limit: number): number {
  for (let index = text.indexOf('"', start + 1); index >= 0 && index < limit;) {
    let backslashes = 0;
    while (text.charCodeAt(index - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return index + 1;
    index = text.indexOf('"', index + 1);
  }
  return -1;
}

/** Where a value ends, if its brackets are in order; -1 when it doesn't up to `limit`. The text may be no JSON. */
function endOfValue(text: string, start: number, limit: number): number {
  let depth = 0;
  for (let index = start; index < limit; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = endOfString(text, index, limit) - 1;
      if (index < 0) return -1;
      if (depth === 0) return index + 1;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      // A scalar ends before what closes the object that it is in.
      if (depth === 0) return index;
      if (--depth === 0) return index + 1;
    } else if (depth === 0 && code === COMMA) return index;
  }
  return -1;
}
