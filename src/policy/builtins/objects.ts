import { type Operands, OperandError, wrongKind } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { equal, kindOf, RegoObject, RegoSet, type Value } from "./value.ts";

/** A graph can have more paths than there is memory. */
const MAX_PATHS = 100_000;

/** `object.subset` and `graph.reachable_paths`. */
export const objectBuiltins: BuiltinFamily = family({
  "object.subset": (operands) => subset(operands.any(1), operands.any(2)),
  "graph.reachable_paths": reachablePaths,
});

function subset(whole: Value, part: Value): boolean {
  if (whole instanceof RegoSet && part instanceof RegoSet) return hasAll(whole, part);
  if (Array.isArray(whole) && part instanceof RegoSet) {
    return whole.length > 0 && hasAll(new RegoSet(whole), part);
  }
  const answer = subsetOfKind(whole, part);
  if (answer !== undefined) return answer;
  throw new OperandError("both arguments object.subset must be of the same type or array and set");
}

/** Undefined where there is no telling. */
function subsetOfKind(whole: Value, part: Value): boolean | undefined {
  if (whole instanceof RegoObject && part instanceof RegoObject) {
    return part.entries.every(([key, value]) => {
      const other = whole.get(key);
      if (other === undefined) return false;
      return equal(other, value) || subsetOfKind(other, value) === true;
    });
  }
  if (whole instanceof RegoSet && part instanceof RegoSet) return hasAll(whole, part);
  if (Array.isArray(whole) && Array.isArray(part)) return hasRun(whole, part);
  return undefined;
}

function hasAll(whole: RegoSet, part: RegoSet): boolean {
  return part.values.every((value) => whole.has(value));
}

/** Whether the part stands in the array in one piece. */
function hasRun(whole: readonly Value[], part: readonly Value[]): boolean {
  for (let start = 0; start + part.length <= whole.length; start++) {
    if (part.every((value, index) => equal(value, whole[start + index]!))) return true;
  }
  return false;
}

function reachablePaths(operands: Operands): Value {
  const graph = operands.object(1);
  const paths: Value[] = [];
  const add = (path: readonly Value[]): void => {
    if (paths.length >= MAX_PATHS) throw new Error(`more than ${MAX_PATHS} paths`);
    paths.push(path);
  };
  const follow = (node: Value, path: readonly Value[], reached: RegoSet): void => {
    const edges = graph.get(node);
    if (edges === undefined) return add(path);
    const longer = [...path, node];
    const next = neighbours(edges);
    if (next.length === 0) return add(longer);
    const seen = new RegoSet([...reached.values, node]);
    for (const neighbour of next) {
      if (seen.has(neighbour)) add(longer);
      else follow(neighbour, longer, seen);
    }
  };
  for (const start of startsOf(operands.any(2))) {
    const edges = graph.get(start);
    if (edges === undefined) continue;
    const next = neighbours(edges);
    if (next.length === 0) add([start]);
    for (const neighbour of next) follow(neighbour, [start], new RegoSet([start]));
  }
  return new RegoSet(paths);
}

function startsOf(value: Value): readonly Value[] {
  if (value instanceof RegoSet) return value.values;
  if (kindOf(value) === "array") return value as readonly Value[];
  throw wrongKind(2, value, "{array, set}");
}

function neighbours(edges: Value): readonly Value[] {
  if (edges instanceof RegoSet) return edges.values;
  return Array.isArray(edges) ? edges : [];
}
