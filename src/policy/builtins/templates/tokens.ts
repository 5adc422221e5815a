import { goQuote, isPrintable } from "../go-quote.ts";

/** What a template is made of, as Go's lexer tells it apart. */
export type TokenKind =
  | "text"
  | "left"
  | "right"
  | "space"
  | "assign"
  | "declare"
  | "pipe"
  | "string"
  | "raw"
  | "character"
  | "number"
  | "variable"
  | "field"
  | "identifier"
  | "keyword"
  | "boolean"
  | "open"
  | "close"
  | "mark"
  | "end"
  | "error";

export interface Token {
  readonly kind: TokenKind;
  /** As it is written; of an error, what is wrong. */
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
  /** The line where it begins; the first is 1. */
  readonly line: number;
}

/** The dot and `nil` count among them. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ".",
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "nil",
  "range",
  "template",
  "with",
]);

const LEFT = "{{";
const RIGHT = "}}";
const LEFT_TRIM = /-[ \t\r\n]/y;
const RIGHT_TRIM = /[ \t\r\n]-\}\}/y;
const SPACES = /[ \t\r\n]*/y;
const WORD = /[_\p{L}\p{Nd}]*/uy;
/** What may come after a word without a space. */
const TERMINATOR = /$|[ \t\r\n.,|:()]|\}\}/y;
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]*\.?[\da-fA-F_]*(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*\.?[0-7_]*|0[bB][01_]*\.?[01_]*|[\d_]*\.?[\d_]*(?:[eE][+-]?[\d_]*)?)i?/y;
const SINGLE: Readonly<Record<string, TokenKind>> = {
  "=": "assign",
  "|": "pipe",
  "(": "open",
  ")": "close",
};

/** The tokens of a template; the last is its end, or what is wrong with it. */
export function tokensOf(template: string): readonly Token[] {
  return new Lexer(template).run();
}

/** What ends the scan. */
class LexicalError extends Error {}

class Lexer {
  readonly #input: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #start = 0;
  #line = 1;
  #parentheses = 0;

  constructor(input: string) {
    this.#input = input;
  }

  run(): readonly Token[] {
    try {
      while (this.#text()) this.#action();
      this.#emit("end");
    } catch (error) {
      if (!(error instanceof LexicalError)) throw error;
      this.#tokens.push({
        kind: "error",
        text: error.message,
        at: this.#start,
        line: this.#line,
      });
    }
    return this.#tokens;
  }

  /** Up to the next action, past comments; false when there is none. */
  #text(): boolean {
    for (;;) {
      const found = this.#input.indexOf(LEFT, this.#at);
      if (found < 0) {
        this.#at = this.#input.length;
        if (this.#at > this.#start) this.#emit("text");
        return false;
      }
      this.#at = found;
      const trims = this.#matches(LEFT_TRIM, found + LEFT.length) !== undefined;
      if (trims) {
        while (this.#at > this.#start && isSpace(this.#input[this.#at - 1]!)) this.#at--;
      }
      if (this.#at > this.#start) this.#emit("text");
      this.#at = found;
      this.#skip();
      const inside = found + LEFT.length + (trims ? 2 : 0);
      if (this.#input.startsWith("/*", inside)) {
        this.#at = inside;
        this.#comment();
        continue;
      }
      this.#at = found + LEFT.length;
      this.#emit("left");
      this.#at = inside;
      this.#skip();
      return true;
    }
  }

  #comment(): void {
    const end = this.#input.indexOf("*/", this.#at + 2);
    if (end < 0) throw new LexicalError("unclosed comment");
    this.#at = end + 2;
    if (!this.#isAtEnd()) throw new LexicalError("comment ends before closing delimiter");
    const trims = this.#isTrimmed();
    this.#at += RIGHT.length + (trims ? 2 : 0);
    this.#finish(trims);
  }

  #action(): void {
    this.#parentheses = 0;
    while (!this.#isAtEnd()) this.#item();
    if (this.#parentheses > 0) throw new LexicalError("unclosed left paren");
    const trims = this.#isTrimmed();
    if (trims) this.#at += 2;
    this.#skip();
    this.#at += RIGHT.length;
    this.#emit("right");
    this.#finish(trims);
  }

  /** An action or a comment is over. */
  #finish(trims: boolean): void {
    if (trims) this.#at += this.#matches(SPACES, this.#at)!.length;
    this.#skip();
  }

  #item(): void {
    const code = this.#input.codePointAt(this.#at);
    if (code === undefined) throw new LexicalError("unclosed action");
    const character = String.fromCodePoint(code);
    if (isSpace(character)) return this.#space();
    const next = this.#input[this.#at + 1] ?? "";
    if (character === "." && /\D/.test(next)) return this.#name("field");
    if (/[+\-.\d]/.test(character)) return this.#number();
    this.#at += character.length;
    const single = SINGLE[character];
    if (single !== undefined) {
      if (single === "open") this.#parentheses++;
      if (single === "close" && --this.#parentheses < 0) {
        throw new LexicalError("unexpected right paren");
      }
      this.#emit(single);
    } else if (character === ":") {
      if (next !== "=") throw new LexicalError("expected :=");
      this.#at++;
      this.#emit("declare");
    } else if (character === '"') this.#quoted(character, "string", "quoted string");
    else if (character === "'") this.#quoted(character, "character", "character constant");
    else if (character === "`") {
      const end = this.#input.indexOf("`", this.#at);
      if (end < 0) throw new LexicalError("unterminated raw quoted string");
      this.#at = end + 1;
      this.#emit("raw");
    } else if (character === "$") {
      this.#at--;
      this.#name("variable");
    } else if (/[_\p{L}\p{Nd}]/u.test(character)) {
      this.#at -= character.length;
      this.#word();
    } else if (/[ -~]/.test(character)) this.#emit("mark");
    else throw new LexicalError(`unrecognized character in action: ${runeName(character)}`);
  }

  #space(): void {
    this.#at += this.#matches(SPACES, this.#at)!.length;
    // The last of them may belong to the delimiter after them.
    if (this.#matches(RIGHT_TRIM, this.#at - 1) !== undefined) this.#at--;
    this.#emit("space");
  }

  #name(kind: "field" | "variable"): void {
    this.#at++;
    if (this.#terminates()) return this.#emit(kind === "variable" ? kind : "keyword");
    this.#at += this.#matches(WORD, this.#at)!.length;
    this.#terminate();
    this.#emit(kind);
  }

  #word(): void {
    const word = this.#matches(WORD, this.#at)!;
    this.#at += word.length;
    this.#terminate();
    if (KEYWORDS.has(word)) this.#emit("keyword");
    else this.#emit(word === "true" || word === "false" ? "boolean" : "identifier");
  }

  #number(): void {
    this.#at += this.#matches(NUMBER, this.#at)!.length;
    // A second one would make it a complex number, which values of JSON never meet.
    const isComplex = /^[+-]/.test(this.#input.slice(this.#at, this.#at + 1));
    if (isComplex) this.#at += this.#matches(NUMBER, this.#at)!.length;
    const [next = ""] = Array.from(this.#matches(WORD, this.#at)!.slice(0, 2));
    if (isComplex || next !== "") {
      const text = this.#input.slice(this.#start, this.#at) + next;
      throw new LexicalError(`bad number syntax: ${goQuote(text)}`);
    }
    this.#emit("number");
  }

  #quoted(quote: string, kind: "string" | "character", name: string): void {
    for (;;) {
      const character = this.#input[this.#at++];
      if (character === quote) return this.#emit(kind);
      const escaped = character === "\\" ? this.#input[this.#at++] : character;
      if (escaped === undefined || escaped === "\n") {
        throw new LexicalError(`unterminated ${name}`);
      }
    }
  }

  #terminates(): boolean {
    return this.#matches(TERMINATOR, this.#at) !== undefined;
  }

  #terminate(): void {
    if (this.#terminates()) return;
    const character = String.fromCodePoint(this.#input.codePointAt(this.#at)!);
    throw new LexicalError(`bad character ${runeName(character)}`);
  }

  /** Whether the action ends here. */
  #isAtEnd(): boolean {
    return this.#isTrimmed() || this.#input.startsWith(RIGHT, this.#at);
  }

  #isTrimmed(): boolean {
    return this.#matches(RIGHT_TRIM, this.#at) !== undefined;
  }

  #matches(pattern: RegExp, at: number): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.#input)?.[0];
  }

  #emit(kind: TokenKind): void {
    const text = this.#input.slice(this.#start, this.#at);
    this.#tokens.push({ kind, text, at: this.#start, line: this.#line });
    this.#skip();
  }

  /** Goes on from here. */
  #skip(): void {
    for (let at = this.#start; at < this.#at; at++) if (this.#input[at] === "\n") this.#line++;
    this.#start = this.#at;
  }
}

function isSpace(character: string): boolean {
  return character === " " || character === "\t" || character === "\r" || character === "\n";
}

/** `%#U` of Go. */
function runeName(character: string): string {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  return isPrintable(character) ? `U+${code} '${character}'` : `U+${code}`;
}
