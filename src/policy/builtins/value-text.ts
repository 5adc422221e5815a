import { RegoNumber, RegoObject, RegoSet, type Value } from "./value.ts";

const EMPTY_SET = "set()";
const SPACE = /[ \t\r\n]*/y;
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const WORD = /[-+.\dA-Za-z]+/y;

/**
 * Reads a value as a policy module writes it (`opa_value_dump`), which is JSON with sets (`{1, 2}`, `set()`)
 * and keys of any kind. Throws a SyntaxError for what is neither.
 */
export function parseValue(text: string): Value {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

/** Reads JSON and nothing but JSON; throws a SyntaxError. */
export function parseJson(text: string): Value {
  // The plain parser is the judge; its numbers have lost their digits.
  JSON.parse(text);
  return parseValue(text);
}

/** The text that a policy module reads (`opa_value_parse`). */
export function valueText(value: Value): string {
  if (value instanceof RegoNumber) return value.text;
  if (value instanceof RegoSet) {
    return value.size === 0 ? EMPTY_SET : `{${value.values.map(valueText).join(",")}}`;
  }
  if (value instanceof RegoObject) {
    return `{${value.entries.map(([key, item]) => `${valueText(key)}:${valueText(item)}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(valueText).join(",")}]`;
  return JSON.stringify(value);
}

/** The value as JSON has it: sets are arrays, and keys that are no strings are their own text. */
export function jsonText(value: Value, separator = ""): string {
  if (value instanceof RegoNumber) return value.text;
  if (value instanceof RegoSet) return jsonText(value.values, separator);
  if (value instanceof RegoObject) {
    const fields = value.entries.map(([key, item]) => {
      const name = typeof key === "string" ? key : jsonText(key);
      return `${JSON.stringify(name)}:${separator}${jsonText(item, separator)}`;
    });
    return `{${fields.join(`,${separator}`)}}`;
  }
  if (Array.isArray(value)) {
    return `[${value.map((item: Value) => jsonText(item, separator)).join(`,${separator}`)}]`;
  }
  return JSON.stringify(value);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skip();
  }

  value(): Value {
    switch (this.#text[this.#at]) {
      case "[":
        return this.#array();
      case "{":
        return this.#braces();
      default:
        return this.#scalar();
    }
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#unexpected();
  }

  #array(): Value[] {
    const items: Value[] = [];
    this.#take("[");
    while (!this.#takes("]")) {
      if (items.length > 0) this.#take(",");
      items.push(this.value());
    }
    return items;
  }

  #braces(): Value {
    this.#take("{");
    if (this.#takes("}")) return new RegoObject();
    const first = this.value();
    if (this.#takes(":")) {
      const entries: [Value, Value][] = [[first, this.value()]];
      while (!this.#takes("}")) {
        this.#take(",");
        const key = this.value();
        this.#take(":");
        entries.push([key, this.value()]);
      }
      return new RegoObject(entries);
    }
    const items = [first];
    while (!this.#takes("}")) {
      this.#take(",");
      items.push(this.value());
    }
    return new RegoSet(items);
  }

  #scalar(): Value {
    if (this.#text.startsWith(EMPTY_SET, this.#at)) {
      this.#at += EMPTY_SET.length;
      this.#skip();
      return new RegoSet();
    }
    const token = this.#text[this.#at] === '"' ? this.#string() : this.#word();
    if (token === undefined) throw this.#unexpected();
    this.#at += token.length;
    this.#skip();
    // Rego knows numbers such as `.5` that JSON does not.
    return NUMBER.test(token) ? new RegoNumber(token) : (JSON.parse(token) as Value);
  }

  #word(): string | undefined {
    WORD.lastIndex = this.#at;
    return WORD.exec(this.#text)?.[0];
  }

  /** By hand: a pattern would need stack for each character of a long one. */
  #string(): string | undefined {
    const start = this.#at;
    for (let quote = start + 1; (quote = this.#text.indexOf('"', quote)) >= 0; quote++) {
      let backslashes = 0;
      while (this.#text[quote - 1 - backslashes] === "\\") backslashes++;
      if (backslashes % 2 === 0) return this.#text.slice(start, quote + 1);
    }
    return undefined;
  }

  #takes(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    this.#skip();
    return true;
  }

  #take(character: string): void {
    if (!this.#takes(character)) throw this.#unexpected();
  }

  #skip(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #unexpected(): SyntaxError {
    return new SyntaxError(`unexpected text at ${this.#at}`);
  }
}
