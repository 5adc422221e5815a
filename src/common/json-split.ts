import {
  COLON,
  endOfString,
  isPlainJson,
  isSpace,
  MAX_PLAIN_DEPTH,
  skipSpace,
  stringAt,
} from "./json-bytes.ts";
import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json-scan.ts";
import { FieldTable } from "./field-table.ts";
import { isDeeperThan, MAX_JSON_DEPTH } from "./json-text.ts";

/** Objects of more bytes than this are taken apart, field by field. */
const PIECE_BYTES = 4_096;

/** What is wrong with a text that is no object, or not one that can be used. */
export class SplitError extends Error {
  readonly problem: "syntax" | "not-object" | "too-deep";

  constructor(problem: SplitError["problem"], message: string) {
    super(message);
    this.problem = problem;
  }
}

/**
 * Checks a JSON object and takes it apart, a little at a time: large objects become their fields, down to values of
 * a few kilobytes, so that nobody who works on them piece by piece is kept long by one. A list is one piece, however
 * long it is. As in `JSON.parse`, the last of equal names counts.
 *
 * It works on bytes: to make one text of many megabytes takes the event loop for as many milliseconds.
 */
export class JsonSplitter {
  /** The object's fields; complete once {@link slice} has answered true. */
  readonly fields: FieldTable;
  readonly #json: Buffer;
  readonly #maxDepth: number;
  readonly #open: FieldTable[];
  #index: number;
  /** Whether a name or the object's end must follow, and not a comma. */
  #atStart = true;

  /**
   * `json`: UTF-8, without a byte order mark. `maxDepth`: how deep arrays and objects may be nested. Throws a
   * {@link SplitError}.
   */
  constructor(json: Buffer, maxDepth: number = MAX_JSON_DEPTH) {
    this.fields = new FieldTable(json);
    this.#open = [this.fields];
    this.#json = json;
    this.#maxDepth = maxDepth;
    this.#index = skipSpace(json, 0);
    if (json[this.#index] === OPEN_BRACE) this.#index++;
    else {
      checked(json.toString());
      throw new SplitError("not-object", "it does not hold an object");
    }
  }

  /** Goes on until `performance.now()` is `end`; true when all is done. Throws a {@link SplitError}. */
  slice(end: number): boolean {
    do {
      if (this.#open.length === 0) {
        this.#index = skipSpace(this.#json, this.#index);
        if (this.#index < this.#json.length) throw this.#unexpected();
        return true;
      }
      this.#step();
    } while (performance.now() < end);
    return false;
  }

  #step(): void {
    const json = this.#json;
    this.#index = skipSpace(json, this.#index);
    let byte = json[this.#index];
    if (byte === CLOSE_BRACE) {
      this.#open.pop();
      this.#atStart = false;
      this.#index++;
      return;
    }
    if (!this.#atStart) {
      if (byte !== COMMA) throw this.#unexpected();
      this.#index = skipSpace(json, this.#index + 1);
      byte = json[this.#index];
    }
    if (byte !== QUOTE) throw this.#unexpected();
    const nameStart = this.#index;
    const nameEnd = endOfString(json, nameStart, json.length);
    if (nameEnd < 0) throw this.#unexpected();
    this.#check(nameStart, nameEnd);
    this.#index = skipSpace(json, nameEnd);
    if (json[this.#index] !== COLON) throw this.#unexpected();
    this.#index = skipSpace(json, this.#index + 1);
    this.#value(stringAt(json, nameStart, nameEnd), nameStart);
  }

  #value(name: string, nameStart: number): void {
    const json = this.#json;
    const start = this.#index;
    const fields = this.#open.at(-1)!;
    let end = -1;
    if (json[start] === OPEN_BRACE) {
      end = endOfValue(json, start, Math.min(json.length, start + PIECE_BYTES));
      if (end < 0) {
        if (this.#open.length >= this.#maxDepth) throw tooDeep(this.#maxDepth);
        const inner = new FieldTable(json);
        fields.set(name, nameStart, start, start, inner);
        this.#open.push(inner);
        this.#index = start + 1;
        this.#atStart = true;
        return;
      }
    } else end = endOfValue(json, start, json.length);
    if (end < 0) throw this.#unexpected();
    this.#index = end;
    while (end > start && isSpace(json[end - 1])) end--;
    this.#check(start, end);
    fields.set(name, nameStart, start, end);
    this.#atStart = false;
  }

  /** Throws where these bytes are not one value, or nested too deep for where they are. */
  #check(start: number, end: number): void {
    const maxDepth = this.#maxDepth - this.#open.length;
    const value = this.#json.subarray(start, end);
    // Nearly all values are plain, and no text is made of them here.
    if (maxDepth >= MAX_PLAIN_DEPTH && isPlainJson(value)) return;
    const text = value.toString();
    checked(text);
    if (isDeeperThan(text, maxDepth)) throw tooDeep(this.#maxDepth);
  }

  #unexpected(): SplitError {
    const found = this.#json.toString("utf8", this.#index, this.#index + 4).charAt(0);
    const what = found === "" ? "the end of the text" : JSON.stringify(found);
    const position = this.#json.toString("utf8", 0, this.#index).length;
    return new SplitError("syntax", `${what} at position ${position} is unexpected`);
  }
}

function tooDeep(maxDepth: number): SplitError {
  return new SplitError("too-deep", `it is nested deeper than ${maxDepth} levels`);
}

function checked(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new SplitError("syntax", (error as Error).message);
  }
}

/** Where a value ends, if its brackets are in order; -1 when it doesn't up to `limit`. It may be no JSON. */
function endOfValue(json: Uint8Array, start: number, limit: number): number {
  let depth = 0;
  for (let index = start; index < limit; index++) {
    const byte = json[index];
    if (byte === QUOTE) {
      index = endOfString(json, index, limit) - 1;
      if (index < 0) return -1;
      if (depth === 0) return index + 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      // A scalar ends before what closes the object that it is in.
      if (depth === 0) return index;
      if (--depth === 0) return index + 1;
    } else if (depth === 0 && byte === COMMA) return index;
  }
  return -1;
}
