import { decimalText, formatFloat } from "./go-float.ts";
import { goQuote } from "./go-quote.ts";

/** What Go's `fmt` is given for a value: a string, a whole number or a float. */
export type Argument = string | bigint | number;

/** What stands between the percent sign and the verb. */
export interface Flags {
  minus: boolean;
  plus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

/** What Go calls the type. */
export function typeName(argument: Argument): string {
  if (typeof argument === "string") return "string";
  if (typeof argument === "number") return "float64";
  return isInt64(argument) ? "int64" : "*big.Int";
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** As `%v` has it. */
export function plain(argument: Argument): string {
  return typeof argument === "number" ? formatFloat(argument, "g", undefined) : String(argument);
}

/** The argument by the verb; in Go's words where the verb is none for it. */
export function formatArgument(argument: Argument, verb: string, flags: Flags): string {
  if (verb === "T") return pad(typeName(argument), flags);
  const text = formatScalar(argument, verb, flags);
  return text ?? `%!${verb}(${typeName(argument)}=${plain(argument)})`;
}

/** The argument by the verb; undefined where the verb is none for it. */
export function formatScalar(argument: Argument, verb: string, flags: Flags): string | undefined {
  if (typeof argument === "string") return formatText(argument, verb, flags);
  // With `%v` these flags mean the syntax of Go, where numbers are as they are.
  const meant = verb === "v" ? { ...flags, plus: false, sharp: false } : flags;
  return typeof argument === "bigint"
    ? formatInteger(argument, verb, meant)
    : formatNumber(argument, verb, meant);
}

function formatText(text: string, verb: string, flags: Flags): string | undefined {
  switch (verb) {
    case "v":
      if (flags.sharp) return pad(goQuote(text), flags);
      return pad(truncate(text, flags), flags);
    case "s":
      return pad(truncate(text, flags), flags);
    case "q": {
      const cut = truncate(text, flags);
      const raw = flags.sharp && isRaw(cut);
      return pad(raw ? `\`${cut}\`` : goQuote(cut, flags.plus), flags);
    }
    case "x":
    case "X":
      return pad(hexadecimal(text, verb, flags), flags);
    default:
      return undefined;
  }
}

/** Whether the text can stand between backquotes: no control characters but tabs, and no backquote. */
function isRaw(text: string): boolean {
  return !/[^\P{Cc}\t]|[`\ufeff]/u.test(text);
}

function truncate(text: string, { precision }: Flags): string {
  return precision === undefined ? text : Array.from(text).slice(0, precision).join("");
}

function hexadecimal(text: string, verb: string, flags: Flags): string {
  const bytes = Buffer.from(text).subarray(0, flags.precision);
  const prefix = flags.sharp ? "0x" : "";
  const digits = bytes.toString("hex");
  if (digits === "") return "";
  const result = flags.space
    ? digits.replaceAll(/..(?!$)/g, `$& ${prefix}`).replace(/^/, prefix)
    : prefix + digits;
  return verb === "X" ? result.toUpperCase() : result;
}

const BASES: Readonly<Record<string, number>> = { b: 2, o: 8, O: 8, d: 10, v: 10, x: 16, X: 16 };
const PREFIXES: Readonly<Record<string, string>> = { b: "0b", o: "0", x: "0x", X: "0X" };

function formatInteger(value: bigint, verb: string, flags: Flags): string | undefined {
  const base = verb === "s" && !isInt64(value) ? 10 : BASES[verb];
  if (base === undefined) return isInt64(value) ? formatCharacter(value, verb, flags) : undefined;
  const { precision } = flags;
  if (precision === 0 && value === 0n) return pad("", { ...flags, zero: false });
  let digits = (value < 0n ? -value : value).toString(base);
  if (verb === "X") digits = digits.toUpperCase();
  const sign = signOf(value < 0n, flags);
  let prefix = verb === "O" ? "0o" : flags.sharp ? (PREFIXES[verb] ?? "") : "";
  if (precision !== undefined) digits = digits.padStart(precision, "0");
  else if (flags.zero && flags.width !== undefined) {
    digits = digits.padStart(flags.width - sign.length - (isInt64(value) ? 0 : prefix.length), "0");
  }
  if (prefix === "0" && digits.startsWith("0")) prefix = "";
  return pad(sign + prefix + digits, { ...flags, zero: false });
}

function formatCharacter(value: bigint, verb: string, flags: Flags): string | undefined {
  const known = value >= 0n && value <= 0x10ffffn && (value < 0xd800n || value > 0xdfffn);
  const character = known ? String.fromCodePoint(Number(value)) : "\ufffd";
  switch (verb) {
    case "c":
      return pad(character, flags);
    case "q": {
      const quoted = goQuote(character, flags.plus).slice(1, -1).replace('\\"', '"');
      return pad(`'${character === "'" ? "\\'" : quoted}'`, flags);
    }
    case "U": {
      const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
      const code = `U+${digits.padStart(Math.max(4, flags.precision ?? 4), "0")}`;
      return pad(flags.sharp && known ? `${code} '${character}'` : code, { ...flags, zero: false });
    }
    default:
      return undefined;
  }
}

function formatNumber(value: number, verb: string, flags: Flags): string | undefined {
  const style = verb === "v" ? "g" : verb === "F" ? "f" : verb;
  if (!/^[eEfgGbxX]$/.test(style)) return undefined;
  const lacking = style === "g" || style === "G" || style === "b" || /x/i.test(style);
  const precision = flags.precision ?? (lacking ? undefined : 6);
  let text = formatFloat(Math.abs(value), style, precision);
  if (flags.sharp && style !== "b") text = decimalText(text, style, flags.precision);
  const sign = signOf(value < 0 || Object.is(value, -0), flags);
  if (flags.zero && flags.width !== undefined) {
    return sign + text.padStart(flags.width - sign.length, "0");
  }
  return pad(sign + text, flags);
}

function signOf(negative: boolean, { plus, space }: Flags): string {
  if (negative) return "-";
  return plus ? "+" : space ? " " : "";
}

/** To the width. */
export function pad(text: string, { width, minus, zero }: Flags): string {
  if (width === undefined) return text;
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  if (minus) return text + " ".repeat(missing);
  return (zero ? "0" : " ").repeat(missing) + text;
}
