import { goQuote } from "../go-quote.ts";
import { RegoObject } from "../value.ts";
import { Execution } from "./execution.ts";
import { ExpressionEvaluator } from "./expression-evaluator.ts";
import type { Call, Control, Pipeline, Statement, Templates } from "./nodes.ts";
import { plainText } from "./printing.ts";
import { GoByte, type GoValue, isList, isTrue } from "./values.ts";

/** The longest text that a template may write, in characters. */
const MAX_OUTPUT = 2 ** 22;

type Jump = "break" | "continue" | undefined;

/** Runs one template on its data, once. */
export class Evaluator {
  readonly #templates: Templates;
  readonly #execution: Execution;
  readonly #expressions: ExpressionEvaluator;
  readonly #output: string[] = [];
  #length = 0;

  constructor(templates: Templates, source: string) {
    this.#templates = templates;
    this.#execution = new Execution(source);
    this.#expressions = new ExpressionEvaluator(this.#execution);
  }

  /** What the template writes; throws Go's error, or says which bound is passed. */
  run(name: string, data: GoValue): string {
    this.#enter(name, data, this.#templates.get(name)!);
    return this.#output.join("");
  }

  #enter(name: string, dot: GoValue, statements: readonly Statement[]): void {
    const [template, variables] = [this.#execution.template, this.#execution.variables];
    this.#execution.template = name;
    this.#execution.variables = [{ name: "$", value: dot }];
    this.#walk(dot, statements);
    this.#execution.template = template;
    this.#execution.variables = variables;
  }

  #walk(dot: GoValue, statements: readonly Statement[]): Jump {
    this.#execution.deepen();
    let jump: Jump;
    for (const statement of statements) {
      this.#execution.budget.spend(1);
      this.#execution.node = statement;
      jump = this.#statement(dot, statement);
      if (jump !== undefined) break;
    }
    this.#execution.rise();
    return jump;
  }

  #statement(dot: GoValue, node: Statement): Jump {
    switch (node.type) {
      case "text":
        this.#write(node.text);
        return undefined;
      case "action": {
        const value = this.#expressions.pipeline(dot, node.pipeline);
        if (node.pipeline.variables.length === 0) this.#print(value);
        return undefined;
      }
      case "range":
        return this.#range(dot, node);
      case "if":
      case "with":
        return this.#branch(dot, node);
      case "template":
        this.#call(dot, node);
        return undefined;
      default:
        return node.type;
    }
  }

  #branch(dot: GoValue, node: Control): Jump {
    const mark = this.#execution.variables.length;
    const value = this.#expressions.pipeline(dot, node.pipeline);
    let jump: Jump;
    if (isTrue(value)) jump = this.#walk(node.type === "with" ? value : dot, node.body);
    else if (node.otherwise !== undefined) jump = this.#walk(dot, node.otherwise);
    this.#execution.variables.length = mark;
    return jump;
  }

  #range(dot: GoValue, node: Control): Jump {
    const mark = this.#execution.variables.length;
    const value = this.#expressions.pipeline(dot, node.pipeline);
    const inner = this.#execution.variables.length;
    let isEmpty = true;
    let jump: Jump;
    for (const [key, item] of this.#elements(value, node.pipeline.variables.length)) {
      isEmpty = false;
      this.#execution.budget.spend(1);
      this.#declareElement(node.pipeline, key, item);
      jump = this.#walk(item, node.body);
      this.#execution.variables.length = inner;
      if (jump === "break") break;
    }
    jump = undefined;
    if (isEmpty && node.otherwise !== undefined) jump = this.#walk(dot, node.otherwise);
    this.#execution.variables.length = mark;
    // Go takes a break in the else for its own.
    return jump === "break" ? undefined : jump;
  }

  *#elements(value: GoValue, variables: number): Generator<readonly [GoValue, GoValue]> {
    if (value === undefined) return;
    if (value instanceof RegoObject) yield* value.entries;
    else if (isList(value)) {
      for (const [index, item] of value.entries()) yield [BigInt(index), item];
    } else if (typeof value === "bigint" || value instanceof GoByte) {
      if (variables > 1) {
        this.#execution.fail(
          `can't use ${plainText(value)} to iterate over more than one variable`,
        );
      }
      const isByte = value instanceof GoByte;
      const end = isByte ? BigInt(value.code) : value;
      for (let at = 0n; at < end; at++) yield [undefined, isByte ? new GoByte(Number(at)) : at];
    } else this.#execution.fail(`range can't iterate over ${plainText(value)}`);
  }

  #declareElement({ variables, assigns }: Pipeline, key: GoValue, item: GoValue): void {
    // One variable is the element; of two the first is its index or key.
    const values = variables.length === 1 ? [item] : [key, item];
    for (const [index, { name }] of variables.entries()) {
      if (assigns) this.#execution.assign(name, values[index]);
      else this.#execution.variables.at(index - variables.length)!.value = values[index];
    }
  }

  #call(dot: GoValue, node: Call): void {
    const statements = this.#templates.get(node.name);
    if (statements === undefined)
      this.#execution.fail(`template ${goQuote(node.name)} not defined`);
    const data =
      node.pipeline === undefined ? undefined : this.#expressions.pipeline(dot, node.pipeline);
    this.#enter(node.name, data, statements);
  }

  #print(value: GoValue): void {
    this.#write(value === undefined ? "<no value>" : plainText(value));
  }

  #write(text: string): void {
    this.#execution.budget.spendText(text.length);
    this.#length += text.length;
    if (this.#length > MAX_OUTPUT) {
      throw new Error(`template: it writes more than ${MAX_OUTPUT} characters`);
    }
    this.#output.push(text);
  }
}
