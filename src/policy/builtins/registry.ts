import type { Query } from "../query.ts";

/**
 * A builtin: arguments and answer are JSON texts; undefined is Rego's undefined. What it throws is a builtin
 * error: undefined to the policy, or the decision's error when the query is strict. A `Suspension` passes through.
 */
export type Builtin = (args: readonly string[], query: Query) => string | undefined;

/** Builtins by the name that Rego calls them. */
export type BuiltinRegistry = ReadonlyMap<string, Builtin>;
