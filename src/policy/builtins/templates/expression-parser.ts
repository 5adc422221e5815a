import { goQuote } from "../go-quote.ts";
import { FUNCTIONS } from "./functions.ts";
import { characterCode, numberValue, unquote } from "./literals.ts";
import { type Command, nodeText, type Operand, type Pipeline, type Variable } from "./nodes.ts";
import type { TokenReader } from "./token-reader.ts";
import type { Token } from "./tokens.ts";

/** What may be an operand, beside the dot and `nil`. */
const OPERANDS: ReadonlySet<string> = new Set([
  "boolean",
  "character",
  "field",
  "identifier",
  "number",
  "open",
  "raw",
  "string",
  "variable",
]);

/** What can't be called, and has no fields to ask for; the dot before a field is one with it. */
const LITERALS: ReadonlySet<string> = new Set(["boolean", "dot", "nil", "number", "string"]);

function isValue({ kind, text }: Token): boolean {
  return kind === "keyword" && (text === "." || text === "nil");
}

/** Reads the pipelines of one template, and knows the variables that there are. */
export class ExpressionParser {
  readonly #reader: TokenReader;
  /** How many variables of each name there are. */
  readonly #counts = new Map([["$", 1]]);
  readonly #variables: string[] = [];

  constructor(reader: TokenReader) {
    this.#reader = reader;
  }

  /** Up to that token, which is read too. What is wrong is said to be in `context`. */
  pipeline(context: string, end: "right" | "close"): Pipeline {
    const { at } = this.#reader.peekWord();
    const pipeline: Pipeline = {
      type: "pipeline",
      at,
      variables: [],
      assigns: false,
      commands: [],
    };
    this.#declarations(pipeline, context);
    for (;;) {
      const token = this.#reader.peekWord();
      if (token.kind === end) break;
      if (!OPERANDS.has(token.kind) && !isValue(token)) {
        this.#reader.next();
        this.#reader.unexpected(token, context);
      }
      pipeline.commands.push(this.#command());
    }
    this.#reader.next();
    if (pipeline.commands.length === 0) this.#reader.fail(`missing value for ${context}`);
    for (const [index, { operands }] of pipeline.commands.entries()) {
      if (index > 0 && LITERALS.has(operands[0].type)) {
        this.#reader.fail(`non executable command in pipeline stage ${index + 1}`);
      }
    }
    return pipeline;
  }

  #declarations(pipeline: Pipeline, context: string): void {
    for (;;) {
      const start = this.#reader.position;
      const token = this.#reader.peekWord();
      if (token.kind !== "variable") return;
      this.#reader.next();
      const { kind, text } = this.#reader.peekWord();
      const isLast = kind === "assign" || kind === "declare";
      if (!isLast && (kind !== "mark" || text !== ",")) return this.#reader.back(start);
      this.#reader.next();
      pipeline.variables.push({ type: "variable", at: token.at, name: token.text, names: [] });
      this.#declare(token.text);
      if (isLast) {
        pipeline.assigns = kind === "assign";
        return;
      }
      if (context !== "range" || pipeline.variables.length > 1) {
        this.#reader.fail(`too many declarations in ${context}`);
      }
      const next = this.#reader.peekWord().kind;
      if (next !== "variable" && next !== "right" && next !== "close") {
        this.#reader.fail("range can only initialize variables");
      }
    }
  }

  #command(): Command {
    const { at } = this.#reader.peekWord();
    const operands: Operand[] = [];
    for (;;) {
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const { kind } = this.#reader.peek();
      if (kind === "right" || kind === "close") break;
      const token = this.#reader.next();
      if (kind === "pipe") break;
      if (kind !== "space") this.#reader.unexpected(token, "operand");
    }
    const [first, ...rest] = operands;
    if (first === undefined) return this.#reader.fail("empty command");
    return { type: "command", at, operands: [first, ...rest] };
  }

  #operand(): Operand | undefined {
    const operand = this.#term();
    const { at, kind } = this.#reader.peek();
    if (operand === undefined || kind !== "field") return operand;
    const names: string[] = [];
    while (this.#reader.peek().kind === "field") names.push(this.#reader.next().text.slice(1));
    if (operand.type === "field" || operand.type === "variable") {
      return { ...operand, at, names: [...operand.names, ...names] };
    }
    if (LITERALS.has(operand.type)) {
      this.#reader.fail(`unexpected . after term ${goQuote(nodeText(operand))}`);
    }
    return { type: "chain", at, operand, names };
  }

  #term(): Operand | undefined {
    const token = this.#reader.peekWord();
    if (!OPERANDS.has(token.kind) && !isValue(token)) return undefined;
    this.#reader.next();
    const { at, text } = token;
    switch (token.kind) {
      case "identifier":
        if (FUNCTIONS.has(text)) return { type: "identifier", at, name: text };
        return this.#reader.fail(`function ${goQuote(text)} not defined`);
      case "keyword":
        return { type: text === "." ? "dot" : "nil", at, text, value: undefined };
      case "variable":
        return this.#use(at, text);
      case "field":
        return { type: "field", at, names: [text.slice(1)] };
      case "boolean":
        return { type: "boolean", at, text, value: text === "true" };
      case "character":
        return { type: "number", at, text, value: this.#reader.attempt(() => characterCode(text)) };
      case "number":
        return { type: "number", at, text, value: this.#reader.attempt(() => numberValue(text)) };
      case "open": {
        this.#reader.enter();
        const pipeline = this.pipeline("parenthesized pipeline", "close");
        this.#reader.leave();
        return pipeline;
      }
      default:
        return { type: "string", at, text, value: this.#reader.attempt(() => unquote(text)) };
    }
  }

  #use(at: number, name: string): Variable {
    if (!this.#counts.has(name)) this.#reader.fail(`undefined variable ${goQuote(name)}`);
    return { type: "variable", at, name, names: [] };
  }

  #declare(name: string): void {
    this.#variables.push(name);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** How many variables there are; {@link forget} goes back to so many. */
  get variables(): number {
    return this.#variables.length;
  }

  /** Variables end where the control ends that they are declared in. */
  forget(length: number): void {
    for (const name of this.#variables.splice(length)) {
      const count = this.#counts.get(name)! - 1;
      if (count === 0) this.#counts.delete(name);
      else this.#counts.set(name, count);
    }
  }
}
