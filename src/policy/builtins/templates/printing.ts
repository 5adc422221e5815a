import { type ArgumentWriter, formatWith } from "../go-format.ts";
import { goQuote } from "../go-quote.ts";
import { type Flags, formatScalar, pad } from "../go-verbs.ts";
import { RegoNumber, RegoObject } from "../value.ts";
import type { Budget } from "./budget.ts";
import { GoByte, type GoValue, isList, textOf, typeOf } from "./values.ts";

const NIL = "<nil>";
const PLAIN: Flags = {
  minus: false,
  plus: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
};
/** For these verbs numbers of JSON are asked for their text. */
const TEXTUAL = /^[vsxXq]$/;

/** `fmt.Sprint` of Go: a space between two arguments that are no strings. */
export function sprint(values: readonly GoValue[], budget: Budget): string {
  let result = "";
  for (const [index, value] of values.entries()) {
    const apart = index > 0 && !isText(value) && !isText(values[index - 1]);
    result += (apart ? " " : "") + spent(plainText(value), budget);
  }
  return result;
}

/** `fmt.Sprintln`. */
export function sprintln(values: readonly GoValue[], budget: Budget): string {
  return `${values.map((value) => spent(plainText(value), budget)).join(" ")}\n`;
}

/** `fmt.Sprintf`. */
export function sprintf(format: string, values: readonly GoValue[], budget: Budget): string {
  const written = values.map((value) => value ?? null);
  return spent(formatWith(format, written, WRITER, budget.text), budget);
}

/** As `%v` has it. */
export function plainText(value: GoValue): string {
  return textOf(value) ?? formatted(value ?? null, "v", PLAIN);
}

/** As `%s` has it. */
export function stringText(value: GoValue): string {
  return textOf(value) ?? formatted(value ?? null, "s", PLAIN);
}

function isText(value: GoValue): boolean {
  return textOf(value) !== undefined;
}

function spent(text: string, budget: Budget): string {
  budget.spendText(text.length);
  return text;
}

type Argument = Exclude<GoValue, undefined>;

const WRITER: ArgumentWriter<Argument> = {
  format: formatted,
  integer: integerOf,
  extra: (value) => (value === null ? NIL : `${typeOf(value)}=${plainText(value)}`),
};

function formatted(value: Argument, verb: string, flags: Flags): string {
  if (value === null) {
    return verb === "v" || verb === "T" ? pad(NIL, flags) : `%!${verb}(${NIL})`;
  }
  if (verb === "T") return pad(typeOf(value), flags);
  return nested(value, verb, flags);
}

/** A value, or one within another. */
function nested(value: Argument, verb: string, flags: Flags): string {
  const inGo = verb === "v" && flags.sharp;
  if (value === null) return inGo ? "interface {}(nil)" : NIL;
  if (value instanceof RegoObject) {
    const fields = value.entries.map(([key, item]) => {
      return `${nested(key, verb, flags)}:${nested(item, verb, flags)}`;
    });
    return inGo ? `${typeOf(value)}{${fields.join(", ")}}` : `map[${fields.join(" ")}]`;
  }
  if (isList(value)) {
    const items = value.map((item) => nested(item, verb, flags));
    return inGo ? `${typeOf(value)}{${items.join(", ")}}` : `[${items.join(" ")}]`;
  }
  return scalar(value, verb, flags) ?? bad(value, verb, flags);
}

function scalar(value: Argument, verb: string, flags: Flags): string | undefined {
  if (typeof value === "boolean") {
    return verb === "t" || verb === "v" ? pad(String(value), flags) : undefined;
  }
  if (value instanceof GoByte && verb === "v" && flags.sharp) {
    return formatScalar(BigInt(value.code), "x", flags);
  }
  if (value instanceof RegoNumber && verb === "v" && flags.sharp)
    return pad(goQuote(value.text), flags);
  if (value instanceof RegoNumber && !TEXTUAL.test(verb)) return undefined;
  if (typeof value === "number") return formatScalar(value, verb, flags);
  const integer = integerOf(value);
  if (integer !== undefined) return formatScalar(integer, verb, flags);
  return formatScalar(textOf(value)!, verb, flags);
}

function integerOf(value: GoValue): bigint | undefined {
  if (value instanceof GoByte) return BigInt(value.code);
  return typeof value === "bigint" ? value : undefined;
}

/** A verb that is none for the value; the flags stay. */
function bad(value: Argument, verb: string, flags: Flags): string {
  const shown = typeof value === "number" ? "g" : typeof value === "bigint" ? "d" : "v";
  return `%!${verb}(${typeOf(value)}=${nested(value, shown, { ...flags, sharp: false })})`;
}
