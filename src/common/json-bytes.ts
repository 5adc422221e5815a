import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json-scan.ts";
import { repairSurrogates } from "./json-text.ts";

const BACKSLASH = 0x5c;
export const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const DELETE = 0x7f;
/** How deep {@link isPlainJson} looks: as many levels as an integer of the engine has bits. */
export const MAX_PLAIN_DEPTH = 30;
/** `\" \\ \/ \b \f \n \r \t`, by the character behind the backslash. */
const SIMPLE_ESCAPES: Uint8Array = marks('"\\/bfnrt');
const WORDS: readonly Uint8Array[] = ["true", "false", "null"].map((word) => Buffer.from(word));

/**
 * Whether the bytes are JSON (RFC 8259) of the common kind: ASCII, nothing around it, no `\u` escapes, at most 30
 * levels deep. Nearly all values are, and to see it takes a quarter of the time of `JSON.parse`, which makes
 * objects that nobody wants. False says nothing.
 */
export function isPlainJson(bytes: Uint8Array): boolean {
  let at = 0;
  let depth = 0;
  // One bit for each container entered, the innermost lowest: 1 for an object.
  let objects = 0;
  for (;;) {
    const byte = bytes[at]!;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > MAX_PLAIN_DEPTH) return false;
      const isObject = byte === OPEN_BRACE;
      objects = (objects << 1) | (isObject ? 1 : 0);
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        if (isObject) at = skipName(bytes, at);
        if (at < 0) return false;
        continue;
      }
    } else {
      at = skipScalar(bytes, at, byte);
      if (at < 0) return false;
    }
    // Behind a value, or before the end of an empty container.
    for (;;) {
      if (depth === 0) return at === bytes.length;
      at = skipSpace(bytes, at);
      const next = bytes[at]!;
      at++;
      if (next === COMMA) {
        at = skipSpace(bytes, at);
        if ((objects & 1) === 1) at = skipName(bytes, at);
        if (at < 0) return false;
        break;
      }
      if (next !== ((objects & 1) === 1 ? CLOSE_BRACE : CLOSE_BRACKET)) return false;
      objects >>>= 1;
      depth--;
    }
  }
}

/**
 * Where a string ends, `start` being its opening quote: behind the closing one. -1 when that doesn't come before
 * `limit`. What is in it may be no JSON.
 */
export function endOfString(bytes: Uint8Array, start: number, limit: number): number {
  for (let at = start + 1; at < limit; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

/** The string that these bytes write, quotes and all; they are JSON. Halves of surrogate pairs are repaired. */
export function stringAt(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start + 1, end - 1);
  return text.includes("\\") ? (JSON.parse(repairSurrogates(`"${text}"`)) as string) : text;
}

/** The index of the next byte that is not white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  while (isSpace(bytes[at])) at++;
  return at;
}

export function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The index of the value behind a name, or -1. */
function skipName(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const end = skipString(bytes, at + 1);
  if (end < 0) return -1;
  const colon = skipSpace(bytes, end);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : -1;
}

/** The index behind a value that is no container, or -1. */
function skipScalar(bytes: Uint8Array, at: number, first: number): number {
  if (first === QUOTE) return skipString(bytes, at + 1);
  if (first === MINUS || isDigit(first)) return skipNumber(bytes, at);
  const word = WORDS.find((candidate) => candidate[0] === first);
  if (word === undefined) return -1;
  for (let index = 1; index < word.length; index++) {
    if (bytes[at + index] !== word[index]) return -1;
  }
  return at + word.length;
}

/** From behind the opening quote to behind the closing one, or -1. */
function skipString(bytes: Uint8Array, at: number): number {
  for (let byte = bytes[at]!; byte !== QUOTE; byte = bytes[++at]!) {
    // Past the end a byte is undefined, and no comparison holds.
    if (!(byte >= SPACE && byte <= DELETE)) return -1;
    if (byte === BACKSLASH && SIMPLE_ESCAPES[bytes[++at]!] !== 1) return -1;
  }
  return at + 1;
}

function skipNumber(bytes: Uint8Array, at: number): number {
  if (bytes[at] === MINUS) at++;
  const whole = at;
  at = skipDigits(bytes, at);
  if (at === whole || (bytes[whole] === ZERO && at > whole + 1)) return -1;
  if (bytes[at] === POINT) {
    const fraction = at + 1;
    at = skipDigits(bytes, fraction);
    if (at === fraction) return -1;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const sign = bytes[at + 1] === PLUS || bytes[at + 1] === MINUS ? 1 : 0;
    const exponent = at + 1 + sign;
    at = skipDigits(bytes, exponent);
    if (at === exponent) return -1;
  }
  return at;
}

function skipDigits(bytes: Uint8Array, at: number): number {
  while (isDigit(bytes[at]!)) at++;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function marks(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}
