import { goQuote } from "../go-quote.ts";
import { ExpressionParser } from "./expression-parser.ts";
import { unquote } from "./literals.ts";
import { type Call, type Control, isBlank, type Statement, type Templates } from "./nodes.ts";
import { TokenReader } from "./token-reader.ts";
import type { Token } from "./tokens.ts";

/** The name that OPA gives to the template. */
export const MAIN = "template";

/** Where a list of statements ends. */
type Stop = "end" | "else";

/** Reads a template and those that it defines; throws Go's error for what is none. */
export function parseTemplate(text: string): Templates {
  const reader = new TokenReader(text);
  const templates = new Map<string, readonly Statement[]>();
  new Parser(reader, templates).main();
  return templates;
}

/** Reads one template; what it defines has a parser of its own, as its variables are its own. */
class Parser {
  readonly #reader: TokenReader;
  readonly #templates: Map<string, readonly Statement[]>;
  readonly #expressions: ExpressionParser;
  #ranges = 0;

  constructor(reader: TokenReader, templates: Map<string, readonly Statement[]>) {
    this.#reader = reader;
    this.#templates = templates;
    this.#expressions = new ExpressionParser(reader);
  }

  main(): void {
    const statements: Statement[] = [];
    while (this.#reader.peek().kind !== "end") {
      const start = this.#reader.position;
      if (this.#reader.next().kind === "left" && this.#reader.takes("define")) {
        new Parser(this.#reader, this.#templates).#definition();
        continue;
      }
      this.#reader.back(start);
      const statement = this.#statement();
      if (typeof statement === "string") this.#reader.fail(`unexpected {{${statement}}}`);
      statements.push(statement);
    }
    this.#add(MAIN, statements);
  }

  #definition(): void {
    const context = "define clause";
    const name = this.#name(context);
    this.#reader.expect(context, "right");
    this.#add(name, this.#body(context));
  }

  /** Up to the end, where no else may be. */
  #body(context: string): Statement[] {
    const { statements, stop } = this.#statements();
    if (stop === "else") this.#reader.fail(`unexpected {{else}} in ${context}`);
    return statements;
  }

  #add(name: string, statements: readonly Statement[]): void {
    const known = this.#templates.get(name);
    if (known === undefined || isBlank(known)) this.#templates.set(name, statements);
    else if (!isBlank(statements)) {
      this.#reader.fail(`template: multiple definition of template ${goQuote(name)}`);
    }
  }

  #statements(): { statements: Statement[]; stop: Stop } {
    const statements: Statement[] = [];
    while (this.#reader.peekWord().kind !== "end") {
      const statement = this.#statement();
      if (typeof statement === "string") return { statements, stop: statement };
      statements.push(statement);
    }
    return this.#reader.fail("unexpected EOF");
  }

  #statement(): Statement | Stop {
    const token = this.#reader.nextWord();
    if (token.kind === "text") return { type: "text", at: token.at, text: token.text };
    if (token.kind !== "left") this.#reader.unexpected(token, "input");
    this.#reader.actionLine = token.line;
    const statement = this.#action();
    this.#reader.actionLine = undefined;
    return statement;
  }

  #action(): Statement | Stop {
    const token = this.#reader.peekWord();
    if (token.kind === "keyword") {
      const start = this.#reader.position;
      this.#reader.next();
      switch (token.text) {
        case "block":
          return this.#block();
        case "break":
        case "continue":
          return this.#jump(token, token.text);
        case "else":
          return this.#else();
        case "end":
          this.#reader.expect("end", "right");
          return "end";
        case "if":
        case "range":
        case "with":
          return this.#control(token.text);
        case "template":
          return this.#call();
        default:
          this.#reader.back(start);
      }
    }
    return {
      type: "action",
      at: token.at,
      pipeline: this.#expressions.pipeline("command", "right"),
    };
  }

  #else(): Stop {
    const { kind, text } = this.#reader.peekWord();
    // What comes after it is read as the control that it stands for.
    if (kind !== "keyword" || (text !== "if" && text !== "with")) {
      this.#reader.expect("else", "right");
    }
    return "else";
  }

  #jump(token: Token, type: "break" | "continue"): Statement {
    this.#reader.expect(`{{${type}}}`, "right");
    if (this.#ranges === 0) this.#reader.fail(`{{${type}}} outside {{range}}`);
    return { type, at: token.at };
  }

  #control(type: Control["type"]): Control {
    this.#reader.enter();
    const variables = this.#expressions.variables;
    const pipeline = this.#expressions.pipeline(type, "right");
    if (type === "range") this.#ranges++;
    const { statements: body, stop } = this.#statements();
    if (type === "range") this.#ranges--;
    let otherwise: Statement[] | undefined;
    if (stop === "else") {
      if (type !== "range" && this.#reader.takes(type)) otherwise = [this.#control(type)];
      else {
        const rest = this.#statements();
        if (rest.stop === "else") this.#reader.fail("expected end; found {{else}}");
        otherwise = rest.statements;
      }
    }
    this.#expressions.forget(variables);
    this.#reader.leave();
    return { type, at: pipeline.at, pipeline, body, otherwise };
  }

  #block(): Call {
    const context = "block clause";
    const { at } = this.#reader.peekWord();
    const name = this.#name(context);
    const pipeline = this.#expressions.pipeline(context, "right");
    this.#reader.enter();
    const block = new Parser(this.#reader, this.#templates);
    block.#add(name, block.#body(context));
    this.#reader.leave();
    return { type: "template", at, name, pipeline };
  }

  #call(): Call {
    const context = "template clause";
    const { at } = this.#reader.peekWord();
    const name = this.#name(context);
    const isBare = this.#reader.peekWord().kind === "right";
    if (isBare) this.#reader.next();
    const pipeline = isBare ? undefined : this.#expressions.pipeline(context, "right");
    return { type: "template", at, name, pipeline };
  }

  #name(context: string): string {
    const { text } = this.#reader.expect(context, "string", "raw");
    return this.#reader.attempt(() => unquote(text));
  }
}
