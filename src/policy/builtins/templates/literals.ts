import { byteString, textOfBytes } from "../go-text.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\u000b",
  "\\": "\\",
};

/** Up to the next escape, and the escape. */
const PART =
  /([^\\]*)(?:\\(?:([abfnrtv\\'"])|([0-7]{3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})))?/y;

const INVALID = "invalid syntax";
const UNDERSCORED = /^[+-]?(?:0[xXoObB]_?)?[\da-fA-F]+(?:_[\da-fA-F]+)*$/;
const INTEGER = /^([+-]?)(?:0[xX]([\da-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9]\d*))$/;
/** Digits, which single underscores may part. */
const DIGITS = String.raw`\d+(?:_\d+)*`;
const DECIMAL = new RegExp(
  String.raw`^[+-]?(?:${DIGITS}\.?(?:${DIGITS})?|\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`,
);
const HEXADECIMAL = /^([+-]?)0[xX]([\da-fA-F]*)\.?([\da-fA-F]*)[pP]([+-]?\d+)$/;

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;

/** `strconv.Unquote` of Go, for what its lexer takes for a string or a character. Throws for what is none. */
export function unquote(quoted: string): string {
  const quote = quoted[0]!;
  const inner = quoted.slice(1, -1);
  if (quote === "`") return inner.replaceAll("\r", "");
  let bytes = "";
  PART.lastIndex = 0;
  for (let at = 0; at < inner.length; at = PART.lastIndex) {
    const [all, plain, simple, octal, hex, short, long] = PART.exec(inner)!;
    if (all === "") throw new Error(INVALID);
    bytes += byteString(plain!);
    if (simple !== undefined) bytes += escaped(simple, quote);
    else if (octal !== undefined) bytes += byte(Number.parseInt(octal, 8));
    else if (hex !== undefined) bytes += byte(Number.parseInt(hex, 16));
    else if (short !== undefined || long !== undefined) bytes += rune((short ?? long)!);
  }
  return textOfBytes(bytes);
}

function escaped(character: string, quote: string): string {
  if (character === quote) return quote;
  const known = SIMPLE[character];
  if (known === undefined) throw new Error(INVALID);
  return known;
}

function byte(code: number): string {
  if (code > 0xff) throw new Error(INVALID);
  return String.fromCharCode(code);
}

function rune(digits: string): string {
  const code = Number.parseInt(digits, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new Error(INVALID);
  return byteString(String.fromCodePoint(code));
}

/** The code of a character constant, such as `'a'`. */
export function characterCode(text: string): bigint {
  const malformed = new Error(`malformed character constant: ${text}`);
  const hex = /^'\\(?:x([\da-fA-F]{2})|([0-7]{3}))'$/.exec(text);
  // Unlike in a string these stand for characters, not bytes.
  if (hex !== null)
    return BigInt(byte(Number.parseInt(hex[1] ?? hex[2]!, hex[1] ? 16 : 8)).charCodeAt(0));
  const characters = Array.from(unquote(text));
  if (characters.length === 0) throw new Error(INVALID);
  if (characters.length > 1) throw malformed;
  return BigInt(characters[0]!.codePointAt(0)!);
}

/**
 * A number as Go's template constants have it: an integer or a float; undefined for an integer that fits into
 * `uint64` but not into `int`. Throws for what is none, and for imaginary ones, which no value here can meet.
 */
export function numberValue(text: string): bigint | number | undefined {
  const integer = integerValue(text);
  if (integer !== undefined && integer >= MIN_INT && integer <= MAX_INT) return integer;
  if (integer !== undefined && integer <= MAX_UINT && /^\d/.test(text)) return undefined;
  const float = floatValue(text);
  if (float === undefined) throw new Error(`illegal number syntax: ${JSON.stringify(text)}`);
  if (!/[.eEpP]/.test(text)) throw new Error(`integer overflow: ${JSON.stringify(text)}`);
  return float;
}

function integerValue(text: string): bigint | undefined {
  if (text.includes("_") && !UNDERSCORED.test(text)) return undefined;
  const match = INTEGER.exec(text.replaceAll("_", ""));
  if (match === null) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  const size =
    hex !== undefined
      ? BigInt(`0x${hex}`)
      : binary !== undefined
        ? BigInt(`0b${binary}`)
        : BigInt(octal === undefined ? decimal! : `0o${octal}`);
  return sign === "-" ? -size : size;
}

function floatValue(text: string): number | undefined {
  const hex = HEXADECIMAL.exec(text);
  let value: number;
  if (hex !== null) {
    const [, sign, whole = "", fraction = "", exponent] = hex;
    if (whole + fraction === "") return undefined;
    const digits = Number(`0x${whole}${fraction}`) * 2 ** (Number(exponent) - 4 * fraction.length);
    value = sign === "-" ? -digits : digits;
  } else if (DECIMAL.test(text)) value = Number(text.replaceAll("_", ""));
  else return undefined;
  return Number.isFinite(value) ? value : undefined;
}
