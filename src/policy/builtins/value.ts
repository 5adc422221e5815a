/**
 * A Rego value as builtins see it. What JSON has no word for is a class: numbers keep the digits that they were
 * written with, objects may have keys of any kind, and sets are not arrays.
 */
export type Value = null | boolean | string | RegoNumber | RegoSet | RegoObject | readonly Value[];

/** The kinds of values, by the names that OPA gives them, in the order in which it sorts them. */
export type Kind = "null" | "boolean" | "number" | "string" | "array" | "object" | "set";

const ORDER: readonly Kind[] = ["null", "boolean", "number", "string", "array", "object", "set"];

/** Everything at or below it can be written as an integer or a float of Go. */
const PLAIN_INTEGER = /^-?(?:0|[1-9]\d*)$/;

/** A number, as the text that it is written with. */
export class RegoNumber {
  readonly text: string;

  constructor(value: string | number | bigint) {
    this.text = String(value);
  }

  /** Its value when it is a whole number, however it is written (`2`, `2.0`, `2e0`). */
  get integer(): bigint | undefined {
    if (PLAIN_INTEGER.test(this.text)) return BigInt(this.text);
    const decimal = toDecimal(this.text);
    if (decimal.exponent < 0 || decimal.exponent > MAX_EXPONENT) return undefined;
    return decimal.digits * 10n ** BigInt(decimal.exponent);
  }

  /** The nearest number of JavaScript. */
  get float(): number {
    return Number(this.text);
  }
}

/** No builtin writes out more digits than that. */
const MAX_EXPONENT = 10_000;

interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

/** `digits * 10 ** exponent`, the digits without trailing zeros. */
export function toDecimal(text: string): Decimal {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  const digits = all.replace(/0+$/, "");
  if (digits === "" || digits === "-") return { digits: 0n, exponent: 0 };
  return {
    digits: BigInt(digits),
    exponent: Number(exponent) - fraction.length + all.length - digits.length,
  };
}

/** A set; its values come in order. */
export class RegoSet {
  readonly #values = new Map<string, Value>();
  #sorted: readonly Value[] | undefined;

  constructor(values: Iterable<Value> = []) {
    for (const value of values) this.#values.set(identity(value), value);
  }

  get size(): number {
    return this.#values.size;
  }

  get values(): readonly Value[] {
    return (this.#sorted ??= [...this.#values.values()].toSorted(compare));
  }

  has(value: Value): boolean {
    return this.#values.has(identity(value));
  }
}

/** An object; its entries come in the order of their keys. */
export class RegoObject {
  readonly #entries = new Map<string, readonly [key: Value, value: Value]>();
  #sorted: readonly (readonly [key: Value, value: Value])[] | undefined;

  constructor(entries: Iterable<readonly [key: Value, value: Value]> = []) {
    for (const entry of entries) this.#entries.set(identity(entry[0]), entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  get entries(): readonly (readonly [key: Value, value: Value])[] {
    return (this.#sorted ??= [...this.#entries.values()].toSorted(([a], [b]) => compare(a, b)));
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(identity(key))?.[1];
  }
}

export function kindOf(value: Value): Kind {
  if (value === null) return "null";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "string") return "string";
  if (value instanceof RegoNumber) return "number";
  if (value instanceof RegoSet) return "set";
  return value instanceof RegoObject ? "object" : "array";
}

/** One text for all values that are equal to Rego: `1` and `1.0` are. */
export function identity(value: Value): string {
  switch (kindOf(value)) {
    case "null":
    case "boolean":
      return JSON.stringify(value);
    case "string":
      return JSON.stringify(value);
    case "number": {
      const { digits, exponent } = toDecimal((value as RegoNumber).text);
      return `${digits}e${exponent}`;
    }
    case "array":
      return `[${(value as readonly Value[]).map(identity).join(",")}]`;
    case "set":
      return `<${(value as RegoSet).values.map(identity).join(",")}>`;
    case "object": {
      const fields = (value as RegoObject).entries.map(([k, v]) => `${identity(k)}:${identity(v)}`);
      return `{${fields.join(",")}}`;
    }
  }
}

export function equal(a: Value, b: Value): boolean {
  return a === b || identity(a) === identity(b);
}

/** The order of Rego: by kind, then within it. */
export function compare(a: Value, b: Value): number {
  const kind = kindOf(a);
  const difference = ORDER.indexOf(kind) - ORDER.indexOf(kindOf(b));
  if (difference !== 0) return difference;
  switch (kind) {
    case "null":
      return 0;
    case "boolean":
      return Number(a) - Number(b);
    case "string":
      return compareStrings(a as string, b as string);
    case "number":
      return compareNumbers(a as RegoNumber, b as RegoNumber);
    case "array":
      return compareLists(a as readonly Value[], b as readonly Value[]);
    case "set":
      return compareLists((a as RegoSet).values, (b as RegoSet).values);
    case "object":
      return compareLists((a as RegoObject).entries.flat(), (b as RegoObject).entries.flat());
  }
}

/** By code points, as Go orders UTF-8. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function compareNumbers(a: RegoNumber, b: RegoNumber): number {
  const [x, y] = [toDecimal(a.text), toDecimal(b.text)];
  const common = Math.min(x.exponent, y.exponent);
  // Numbers this far apart are told apart by their size alone.
  if (Math.max(x.exponent, y.exponent) - common > MAX_EXPONENT) return a.float - b.float;
  const left = x.digits * 10n ** BigInt(x.exponent - common);
  const right = y.digits * 10n ** BigInt(y.exponent - common);
  return left < right ? -1 : Number(left > right);
}

function compareLists(a: readonly Value[], b: readonly Value[]): number {
  for (let index = 0; index < a.length && index < b.length; index++) {
    const difference = compare(a[index]!, b[index]!);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
