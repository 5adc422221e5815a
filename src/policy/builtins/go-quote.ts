const ESCAPES: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\u000b": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

/** Letters, marks, numbers, punctuation, symbols, and the plain space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** `unicode.IsPrint` of Go. */
export function isPrintable(character: string): boolean {
  return PRINTABLE.test(character);
}

/** `strconv.Quote` of Go; with `ascii`, everything beyond ASCII is escaped. */
export function goQuote(text: string, ascii = false): string {
  let result = '"';
  for (const character of text) result += quoted(character, ascii);
  return `${result}"`;
}

function quoted(character: string, ascii: boolean): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0)!;
  if (isPrintable(character) && (code < 0x80 || !ascii)) return character;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
