import { messageOf } from "../../../errors.ts";
import { RegoObject } from "../value.ts";
import type { Execution } from "./execution.ts";
import { FUNCTIONS, type TemplateFunction } from "./functions.ts";
import {
  type Command,
  type Identifier,
  type Literal,
  type Node,
  nodeText,
  type Operand,
  type Pipeline,
  type Variable,
} from "./nodes.ts";
import { plainText } from "./printing.ts";
import { type GoValue, isTrue, typeOf } from "./values.ts";

/** What no command has given to the next one. */
const NOTHING = Symbol("nothing");
type Piped = GoValue | typeof NOTHING;

/** What an argument is taken as: anything, anything with no value as nil, or a string. */
type Taken = "value" | "any" | "string";

/** Evaluates the pipelines of a template. */
export class ExpressionEvaluator {
  readonly #execution: Execution;

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** The value of a pipeline; what it declares is a variable from now on. */
  pipeline(dot: GoValue, pipeline: Pipeline): GoValue {
    this.#execution.deepen();
    this.#execution.budget.spend(1);
    this.#execution.node = pipeline;
    let piped: Piped = NOTHING;
    // Out of an interface a nil is no value.
    for (const command of pipeline.commands)
      piped = this.#command(dot, command, piped) ?? undefined;
    const value = piped === NOTHING ? undefined : piped;
    for (const { name } of pipeline.variables) {
      if (pipeline.assigns) this.#execution.assign(name, value);
      else this.#execution.variables.push({ name, value });
    }
    this.#execution.rise();
    return value;
  }

  #command(dot: GoValue, command: Command, piped: Piped): GoValue {
    const [first, ...rest] = command.operands;
    if (first.type === "identifier") return this.#invoke(dot, first, command, rest, piped);
    const hasArguments = rest.length > 0 || piped !== NOTHING;
    if (first.type === "field" || first.type === "chain") {
      return this.#access(dot, first, hasArguments);
    }
    if (first.type === "variable" && first.names.length > 0) {
      return this.#access(dot, first, hasArguments);
    }
    if (first.type !== "pipeline") this.#execution.node = first;
    const variable = first.type === "variable" ? this.#variable(first) : undefined;
    if (hasArguments) {
      this.#execution.fail(`can't give argument to non-function ${nodeText(first)}`);
    }
    if (first.type === "variable") return variable;
    if (first.type === "pipeline") return this.pipeline(dot, first);
    if (first.type === "nil") this.#execution.fail("nil is not a command");
    return this.#literal(dot, first);
  }

  #literal(dot: GoValue, node: Literal): GoValue {
    if (node.type === "dot") return dot;
    if (node.value === undefined) this.#execution.fail(`${node.text} overflows int`);
    return node.value;
  }

  #variable({ name }: Variable): GoValue {
    return this.#execution.find(name).value;
  }

  /** A field of a field, and so on. */
  #access(
    dot: GoValue,
    node: Operand & { readonly names: readonly string[] },
    hasArguments: boolean,
  ): GoValue {
    this.#execution.node = node;
    let value = this.#receiver(dot, node);
    for (const [index, name] of node.names.entries()) {
      const isLast = index === node.names.length - 1;
      value = this.#field(value, name, index > 0, isLast && hasArguments);
    }
    return value;
  }

  #receiver(dot: GoValue, node: Operand): GoValue {
    if (node.type === "variable") return this.#variable(node);
    if (node.type !== "chain") return dot;
    if (node.operand.type === "nil") {
      this.#execution.fail(`indirection through explicit nil in ${nodeText(node)}`);
    }
    return this.#argument(dot, node.operand, "value");
  }

  #field(value: GoValue, name: string, isItem: boolean, hasArguments: boolean): GoValue {
    this.#execution.budget.spend(1);
    if (value === undefined) return undefined;
    if (value === null) this.#execution.fail(`nil pointer evaluating interface {}.${name}`);
    if (value instanceof RegoObject) {
      if (hasArguments) this.#execution.fail(`${name} is not a method but has arguments`);
      return value.get(name);
    }
    const type = isItem ? "interface {}" : typeOf(value);
    return this.#execution.fail(`can't evaluate field ${name} in type ${type}`);
  }

  #invoke(
    dot: GoValue,
    { name }: Identifier,
    node: Node,
    operands: readonly Operand[],
    piped: Piped,
  ): GoValue {
    this.#execution.node = node.type === "command" ? node.operands[0] : node;
    this.#execution.budget.spend(1);
    const called = FUNCTIONS.get(name)!;
    const count = operands.length + (piped === NOTHING ? 0 : 1);
    if (called.isVariadic && count < called.least) {
      this.#execution.fail(
        `wrong number of args for ${name}: want at least ${called.least} got ${operands.length}`,
      );
    }
    if (!called.isVariadic && count !== called.least) {
      this.#execution.fail(`wrong number of args for ${name}: want ${called.least} got ${count}`);
    }
    if (name === "and" || name === "or") return this.#choose(dot, name, operands, piped);
    const values = operands.map((operand, index) =>
      this.#argument(dot, operand, takenAs(called, index)),
    );
    if (piped !== NOTHING) values.push(this.#take(piped, takenAs(called, values.length)));
    try {
      return called.call(values, this.#execution.budget, () => {
        return operands[0] === undefined ? plainText(values[0]) : nodeText(operands[0]);
      });
    } catch (error) {
      this.#execution.node = node;
      return this.#execution.fail(`error calling ${name}: ${messageOf(error)}`);
    }
  }

  /** `and` and `or`, which evaluate no more than they need. */
  #choose(dot: GoValue, name: "and" | "or", operands: readonly Operand[], piped: Piped): GoValue {
    let value: GoValue;
    for (const operand of operands) {
      value = this.#argument(dot, operand, "value");
      if (isTrue(value) === (name === "or")) return value;
    }
    return piped === NOTHING ? value : piped;
  }

  #argument(dot: GoValue, operand: Operand, taken: Taken): GoValue {
    this.#execution.node = operand;
    switch (operand.type) {
      case "field":
      case "chain":
        return this.#take(this.#access(dot, operand, false), taken);
      case "variable": {
        const { names } = operand;
        const value =
          names.length > 0 ? this.#access(dot, operand, false) : this.#variable(operand);
        return this.#take(value, taken);
      }
      case "pipeline":
        return this.#take(this.pipeline(dot, operand), taken);
      case "identifier":
        return this.#take(this.#invoke(dot, operand, operand, [], NOTHING), taken);
      case "dot":
        return this.#take(dot, taken);
      case "nil":
        if (taken === "string") this.#execution.fail("cannot assign nil to string");
        return this.#take(undefined, taken);
      default:
        if (taken === "string" && operand.type !== "string") {
          this.#execution.fail(`expected string; found ${operand.text}`);
        }
        return this.#literal(dot, operand);
    }
  }

  #take(value: GoValue, taken: Taken): GoValue {
    if (taken === "string" && typeof value !== "string") {
      this.#execution.fail(
        value === undefined
          ? "invalid value; expected string"
          : `wrong type for value; expected string; got ${typeOf(value)}`,
      );
    }
    return taken === "any" ? (value ?? null) : value;
  }
}

function takenAs({ format, nils }: TemplateFunction, position: number): Taken {
  if (format && position === 0) return "string";
  return nils ? "any" : "value";
}
