import { isDeeperThan, MAX_JSON_DEPTH } from "../../common/json-text.ts";
import type { Query } from "../query.ts";
import { Operands } from "./operands.ts";
import type { Value } from "./value.ts";
import { parseValue, valueText } from "./value-text.ts";

/**
 * A builtin: arguments and answer are texts of values (JSON, with sets and keys of any kind); undefined is Rego's
 * undefined. What it throws is a builtin error: undefined to the policy, or the decision's error when the query
 * is strict. A `Suspension` passes through.
 */
export type Builtin = (args: readonly string[], query: Query) => string | undefined;

/** Builtins by the name that Rego calls them. */
export type BuiltinRegistry = ReadonlyMap<string, Builtin>;

/** Builtins of one family, by name. */
export type BuiltinFamily = [name: string, builtin: Builtin][];

/** A builtin as a function of values. */
export type ValueBuiltin = (operands: Operands, query: Query) => Value | undefined;

/** Builtins that are given and answer values. */
export function family(builtins: Record<string, ValueBuiltin>): BuiltinFamily {
  return Object.entries(builtins).map(([name, builtin]) => [name, withValues(builtin)]);
}

function withValues(builtin: ValueBuiltin): Builtin {
  return (args, query) => {
    const answer = builtin(new Operands(args.map(parseValue)), query);
    if (answer === undefined) return undefined;
    const text = valueText(answer);
    // The module reads it by recursion, on a stack of its own that is small.
    if (isDeeperThan(text, MAX_JSON_DEPTH)) {
      throw new Error(`the answer is nested deeper than ${MAX_JSON_DEPTH} levels`);
    }
    return text;
  };
}
