import { messageOf } from "../../../errors.ts";
import { goQuote } from "../go-quote.ts";
import { type Token, type TokenKind, tokensOf } from "./tokens.ts";

/** How deep actions and parentheses may nest; they are read and run by recursion. */
const MAX_DEPTH = 200;

/** Gives out the tokens of a template, and says what is wrong with them in Go's words. */
export class TokenReader {
  /** The line where the action that is read began; undefined outside of actions. */
  actionLine: number | undefined;
  readonly #tokens: readonly Token[];
  #at = 0;
  /** How far was looked. */
  #seen = 0;
  #depth = 0;

  constructor(template: string) {
    this.#tokens = tokensOf(template);
  }

  /** The next token, which stays the next. */
  peek(): Token {
    this.#seen = Math.max(this.#seen, this.#at);
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  /** Past spaces. */
  nextWord(): Token {
    const token = this.peekWord();
    this.#at++;
    return token;
  }

  /** The next token past spaces, which are gone. */
  peekWord(): Token {
    while (this.peek().kind === "space") this.#at++;
    return this.peek();
  }

  /** Past spaces, when it is that keyword. */
  takes(keyword: string): boolean {
    const { kind, text } = this.peekWord();
    if (kind !== "keyword" || text !== keyword) return false;
    this.#at++;
    return true;
  }

  /** Past spaces; throws when it is of no such kind. */
  expect(context: string, ...kinds: TokenKind[]): Token {
    const token = this.nextWord();
    if (!kinds.includes(token.kind)) this.unexpected(token, context);
    return token;
  }

  /** Where it stands; {@link back} returns there. */
  get position(): number {
    return this.#at;
  }

  back(position: number): void {
    this.#at = position;
  }

  /** Something nested begins, which {@link leave} ends. */
  enter(): void {
    if (++this.#depth > MAX_DEPTH) this.fail("max expression depth exceeded");
  }

  leave(): void {
    this.#depth--;
  }

  /** Says where it was when it is thrown. */
  attempt<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      return this.fail(messageOf(error));
    }
  }

  unexpected(token: Token, context: string): never {
    if (token.kind !== "error") this.fail(`unexpected ${tokenName(token)} in ${context}`);
    let where = "";
    if (this.actionLine !== undefined && this.actionLine !== token.line) {
      const started = ` started at template:${this.actionLine}`;
      where = token.text.endsWith(" action") ? started : ` in action${started}`;
    }
    this.fail(token.text + where);
  }

  fail(message: string): never {
    const { line } = this.#tokens[Math.min(this.#seen, this.#tokens.length - 1)]!;
    throw new Error(`template: template:${line}: ${message}`);
  }
}

/** How Go speaks of a token. */
function tokenName({ kind, text }: Token): string {
  if (kind === "end") return "EOF";
  if (kind === "error") return text;
  if (kind === "keyword") return `<${text}>`;
  if (Buffer.byteLength(text) <= 10) return goQuote(text);
  return `${goQuote(Array.from(text.slice(0, 20)).slice(0, 10).join(""))}...`;
}
