import { goQuote } from "../go-quote.ts";

/** Where a node begins in its template. */
interface Placed {
  readonly at: number;
}

export interface Identifier extends Placed {
  readonly type: "identifier";
  readonly name: string;
}

/** `.a.b`. */
export interface Field extends Placed {
  readonly type: "field";
  readonly names: readonly string[];
}

/** `$x`, or `$x.a.b`. */
export interface Variable extends Placed {
  readonly type: "variable";
  readonly name: string;
  readonly names: readonly string[];
}

/** `(pipeline).a.b`. */
export interface Chain extends Placed {
  readonly type: "chain";
  readonly operand: Operand;
  readonly names: readonly string[];
}

/** What is written out: `true`, `1`, `"text"`, `nil`. */
export interface Literal extends Placed {
  readonly type: "boolean" | "number" | "string" | "nil" | "dot";
  readonly text: string;
  /** Undefined for `nil`, the dot, and integers that Go's `int` can't hold. */
  readonly value: boolean | bigint | number | string | undefined;
}

export interface Pipeline extends Placed {
  readonly type: "pipeline";
  /** The variables that it declares, or assigns. */
  readonly variables: Variable[];
  assigns: boolean;
  readonly commands: Command[];
}

export interface Command extends Placed {
  readonly type: "command";
  readonly operands: [Operand, ...Operand[]];
}

export type Operand = Identifier | Field | Variable | Chain | Literal | Pipeline;

export interface Text extends Placed {
  readonly type: "text";
  readonly text: string;
}

export interface Action extends Placed {
  readonly type: "action";
  readonly pipeline: Pipeline;
}

export interface Control extends Placed {
  readonly type: "if" | "with" | "range";
  readonly pipeline: Pipeline;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[] | undefined;
}

export interface Jump extends Placed {
  readonly type: "break" | "continue";
}

export interface Call extends Placed {
  readonly type: "template";
  readonly name: string;
  readonly pipeline: Pipeline | undefined;
}

export type Statement = Text | Action | Control | Jump | Call;

/** What an error can be at. */
export type Node = Operand | Command | Statement;

/** Templates by their names. */
export type Templates = ReadonlyMap<string, readonly Statement[]>;

/** A node as Go writes it into its errors. */
export function nodeText(node: Node): string {
  switch (node.type) {
    case "identifier":
      return node.name;
    case "field":
      return fields(node.names);
    case "variable":
      return node.name + fields(node.names);
    case "chain":
      return operandText(node.operand) + fields(node.names);
    case "command":
      return node.operands.map(operandText).join(" ");
    case "pipeline": {
      const names = node.variables.map(nodeText).join(", ");
      const declared = names === "" ? "" : `${names} ${node.assigns ? "=" : ":="} `;
      return declared + node.commands.map(nodeText).join(" | ");
    }
    case "action":
      return `{{${nodeText(node.pipeline)}}}`;
    case "template": {
      const argument = node.pipeline === undefined ? "" : ` ${nodeText(node.pipeline)}`;
      return `{{template ${goQuote(node.name)}${argument}}}`;
    }
    case "if":
    case "with":
    case "range":
      return `{{${node.type} ${nodeText(node.pipeline)}}}`;
    case "break":
    case "continue":
      return `{{${node.type}}}`;
    default:
      return node.text;
  }
}

function operandText(operand: Operand): string {
  const text = nodeText(operand);
  return operand.type === "pipeline" ? `(${text})` : text;
}

function fields(names: readonly string[]): string {
  return names.map((name) => `.${name}`).join("");
}

/** Whether nothing but space is in it, so that another definition may take its place. */
export function isBlank(statements: readonly Statement[]): boolean {
  return statements.every((node) => node.type === "text" && node.text.trim() === "");
}
