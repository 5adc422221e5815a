import { type Argument, type Flags, formatArgument, plain, typeName } from "./go-verbs.ts";
import { goQuote } from "./go-quote.ts";
import { RegoNumber, RegoObject, RegoSet, type Value } from "./value.ts";

/** More than that is a policy gone wrong. */
const MAX_WIDTH = 1_000_000;

/** No policy can take longer texts. */
const MAX_LENGTH = 2 ** 25;

/** How arguments of some type are written. */
export interface ArgumentWriter<A> {
  /** By the verb; in Go's words where the verb is none for it. */
  format(argument: A, verb: string, flags: Flags): string;
  /** What it counts to in the place of a `*`. */
  integer(argument: A): bigint | undefined;
  /** What is said of one that no verb asks for. */
  extra(argument: A): string;
}

/** `fmt.Sprintf` of Go, with the arguments that OPA hands to it. */
export function goFormat(format: string, values: readonly Value[]): string {
  return formatWith(format, values.map(argumentOf), PLAIN, MAX_LENGTH);
}

/** `fmt.Sprintf` of Go with arguments of any type; throws when the text grows longer than `maxLength`. */
export function formatWith<A extends {} | null>(
  format: string,
  values: readonly A[],
  writer: ArgumentWriter<A>,
  maxLength: number,
): string {
  return new Formatter(format, values, writer, maxLength).run();
}

/** The text of a value in a policy. */
export function regoText(value: Value): string {
  if (typeof value === "string") return goQuote(value);
  if (value instanceof RegoSet) {
    return value.size === 0 ? "set()" : `{${value.values.map(regoText).join(", ")}}`;
  }
  if (value instanceof RegoObject) {
    const fields = value.entries.map(([key, item]) => `${regoText(key)}: ${regoText(item)}`);
    return `{${fields.join(", ")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(regoText).join(", ")}]`;
  return value instanceof RegoNumber ? value.text : JSON.stringify(value);
}

function argumentOf(value: Value): Argument {
  if (typeof value === "string") return value;
  if (!(value instanceof RegoNumber)) return regoText(value);
  if (/^-?\d+$/.test(value.text)) return BigInt(value.text);
  return Number.isFinite(value.float) ? value.float : value.text;
}

const PLAIN: ArgumentWriter<Argument> = {
  format: formatArgument,
  integer: (argument) => (typeof argument === "bigint" ? argument : undefined),
  extra: (argument) => `${typeName(argument)}=${plain(argument)}`,
};

class Formatter<A extends {} | null> {
  readonly #format: string;
  readonly #arguments: readonly A[];
  readonly #writer: ArgumentWriter<A>;
  readonly #maxLength: number;
  #at = 0;
  #next = 0;
  #reordered = false;
  #goodIndex = true;

  constructor(format: string, values: readonly A[], writer: ArgumentWriter<A>, maxLength: number) {
    this.#format = format;
    this.#arguments = values;
    this.#writer = writer;
    this.#maxLength = maxLength;
  }

  run(): string {
    let result = "";
    while (this.#at < this.#format.length) {
      const percent = this.#format.indexOf("%", this.#at);
      if (percent < 0) {
        result += this.#format.slice(this.#at);
        break;
      }
      result += this.#format.slice(this.#at, percent);
      this.#at = percent + 1;
      result += this.#directive();
      if (result.length > this.#maxLength) {
        throw new Error(`the text is longer than ${this.#maxLength} characters`);
      }
    }
    if (!this.#reordered && this.#next < this.#arguments.length) result += this.#extra();
    return result;
  }

  #directive(): string {
    const flags = this.#flags();
    let afterIndex = this.#index();
    if (this.#takes("*")) {
      const width = this.#count();
      if (width === undefined) return `%!(BADWIDTH)${this.#verb(flags, false)}`;
      flags.minus ||= width < 0;
      if (flags.minus) flags.zero = false;
      flags.width = Math.abs(width);
      afterIndex = false;
    } else {
      flags.width = this.#digits();
      if (afterIndex && flags.width !== undefined) this.#goodIndex = false;
    }
    if (this.#takes(".")) {
      if (afterIndex) this.#goodIndex = false;
      afterIndex = this.#index();
      if (this.#takes("*")) {
        const precision = this.#count();
        if (precision === undefined) return `%!(BADPREC)${this.#verb(flags, false)}`;
        flags.precision = precision < 0 ? undefined : precision;
        afterIndex = false;
      } else flags.precision = this.#digits() ?? 0;
    }
    return this.#verb(flags, afterIndex);
  }

  #verb(flags: Flags, afterIndex: boolean): string {
    if (!afterIndex) this.#index();
    const code = this.#format.codePointAt(this.#at);
    if (code === undefined) return "%!(NOVERB)";
    const verb = String.fromCodePoint(code);
    this.#at += verb.length;
    if (verb === "%") return "%";
    if (!this.#goodIndex) return `%!${verb}(BADINDEX)`;
    const argument = this.#arguments[this.#next];
    if (argument === undefined) return `%!${verb}(MISSING)`;
    this.#next++;
    return this.#writer.format(argument, verb, flags);
  }

  #flags(): Flags {
    const flags: Flags = {
      minus: false,
      plus: false,
      sharp: false,
      space: false,
      zero: false,
      width: undefined,
      precision: undefined,
    };
    this.#goodIndex = true;
    for (;;) {
      if (this.#takes("-")) flags.minus = true;
      else if (this.#takes("+")) flags.plus = true;
      else if (this.#takes("#")) flags.sharp = true;
      else if (this.#takes(" ")) flags.space = true;
      else if (this.#takes("0")) flags.zero = true;
      else break;
    }
    if (flags.minus) flags.zero = false;
    return flags;
  }

  /** `[n]`: which argument comes next. */
  #index(): boolean {
    if (this.#format[this.#at] !== "[") return false;
    this.#reordered = true;
    const close = this.#format.indexOf("]", this.#at);
    if (close < 0) {
      this.#goodIndex = false;
      this.#at++;
      return false;
    }
    const text = this.#format.slice(this.#at + 1, close);
    this.#at = close + 1;
    const index = /^\d{1,7}$/.test(text) ? Number(text) : 0;
    if (index >= 1 && index <= this.#arguments.length) {
      this.#next = index - 1;
      return true;
    }
    this.#goodIndex = false;
    return true;
  }

  /** The number in the place of a `*`; undefined when the argument is none. */
  #count(): number | undefined {
    const argument = this.#arguments[this.#next];
    if (argument === undefined) return undefined;
    this.#next++;
    const count = Number(this.#writer.integer(argument) ?? Number.NaN);
    return Math.abs(count) <= MAX_WIDTH ? count : undefined;
  }

  #digits(): number | undefined {
    const match = /^\d+/.exec(this.#format.slice(this.#at, this.#at + 12));
    if (match === null) return undefined;
    const digits = Number(match[0]);
    this.#at += match[0].length;
    return digits <= MAX_WIDTH ? digits : undefined;
  }

  #extra(): string {
    const rest = this.#arguments.slice(this.#next);
    return `%!(EXTRA ${rest.map((argument) => this.#writer.extra(argument)).join(", ")})`;
  }

  #takes(character: string): boolean {
    if (this.#format[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}
