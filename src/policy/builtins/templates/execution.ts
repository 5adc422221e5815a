import { goQuote } from "../go-quote.ts";
import { Budget } from "./budget.ts";
import { type Node, nodeText } from "./nodes.ts";
import type { GoValue } from "./values.ts";

/** How deep templates and what is in them may go; Go's own limit would not be met on this stack. */
const MAX_DEPTH = 400;

interface Binding {
  readonly name: string;
  value: GoValue;
}

/** Where the execution of a template is, what its variables are, and what it may still take. */
export class Execution {
  readonly budget: Budget = new Budget();
  /** The template that runs, and what of it; errors say where they are. */
  template = "";
  node: Node | undefined;
  variables: Binding[] = [];
  readonly #source: string;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** Something nested begins, which {@link rise} ends. */
  deepen(): void {
    if (++this.#depth > MAX_DEPTH) this.fail(`exceeded maximum template depth (${MAX_DEPTH})`);
  }

  rise(): void {
    this.#depth--;
  }

  assign(name: string, value: GoValue): void {
    this.find(name).value = value;
  }

  find(name: string): Binding {
    const at = this.variables.findLastIndex((variable) => variable.name === name);
    this.budget.spend((this.variables.length - at) / 4);
    return this.variables[at] ?? this.fail(`undefined variable: ${name}`);
  }

  /** Ends the execution with an error in Go's words. */
  fail(message: string): never {
    const before = this.#source.slice(0, this.node?.at ?? 0);
    const line = before.split("\n").length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf("\n") + 1));
    const context = this.node === undefined ? "" : nodeText(this.node);
    throw new Error(
      `template: template:${line}:${column}: executing ${goQuote(this.template)} at <${context}>: ${message}`,
    );
  }
}
