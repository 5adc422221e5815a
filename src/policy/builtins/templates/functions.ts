import { queryEscape } from "../go-url.ts";
import type { Budget } from "./budget.ts";
import { isEqual, isLess } from "./comparisons.ts";
import { escaped, html, js } from "./escapes.ts";
import { sprint, sprintf, sprintln } from "./printing.ts";
import { index, length, slice } from "./selections.ts";
import { type GoValue, isTrue, typeOf } from "./values.ts";

/** A function that templates can call. */
export interface TemplateFunction {
  /** How many arguments it takes at least. */
  readonly least: number;
  /** Whether it takes more. */
  readonly isVariadic: boolean;
  /** Whether the first must be a string. */
  readonly format?: boolean;
  /** Whether it is given no value at all as a nil. */
  readonly nils?: boolean;
  /** `first` is how the first argument is written. */
  readonly call: (args: readonly GoValue[], budget: Budget, first: () => string) => GoValue;
}

/** Those which take anything, and print it. */
const PRINTER = { least: 0, isVariadic: true, nils: true } as const;

/** Go's predefined functions. `and` and `or` evaluate their own arguments, and `call` finds no function among values. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ["and", { least: 1, isVariadic: true, call: (args) => args.at(-1) }],
  ["or", { least: 1, isVariadic: true, call: (args) => args.at(-1) }],
  ["not", { least: 1, isVariadic: false, call: ([value]) => !isTrue(value) }],
  ["call", { least: 1, isVariadic: true, call: ([value], _, first) => noFunction(value, first()) }],
  ["index", { least: 1, isVariadic: true, call: index }],
  ["slice", { least: 1, isVariadic: true, call: slice }],
  ["len", { least: 1, isVariadic: false, call: ([value], budget) => length(value, budget) }],
  ["print", { ...PRINTER, call: sprint }],
  ["println", { ...PRINTER, call: sprintln }],
  [
    "printf",
    {
      ...PRINTER,
      least: 1,
      format: true,
      call: ([format, ...values], budget) => sprintf(format as string, values, budget),
    },
  ],
  ["html", { ...PRINTER, call: (args, budget) => escaped(args, budget, html) }],
  ["js", { ...PRINTER, call: (args, budget) => escaped(args, budget, js) }],
  ["urlquery", { ...PRINTER, call: (args, budget) => escaped(args, budget, queryEscape) }],
  [
    "eq",
    {
      least: 1,
      isVariadic: true,
      call: ([one, ...others], budget) => isEqual(one, others, budget),
    },
  ],
  [
    "ne",
    { least: 2, isVariadic: false, call: ([one, other], budget) => !isEqual(one, [other], budget) },
  ],
  [
    "lt",
    { least: 2, isVariadic: false, call: ([one, other], budget) => isLess(one, other, budget) },
  ],
  [
    "le",
    { least: 2, isVariadic: false, call: ([one, other], budget) => isAtMost(one, other, budget) },
  ],
  [
    "gt",
    { least: 2, isVariadic: false, call: ([one, other], budget) => !isAtMost(one, other, budget) },
  ],
  [
    "ge",
    { least: 2, isVariadic: false, call: ([one, other], budget) => !isLess(one, other, budget) },
  ],
]);

function isAtMost(one: GoValue, other: GoValue, budget: Budget): boolean {
  return isLess(one, other, budget) || isEqual(one, [other], budget);
}

function noFunction(value: GoValue, text: string): never {
  if (value === undefined || value === null) throw new Error("call of nil");
  throw new Error(`non-function ${text} of type ${typeOf(value)}`);
}
