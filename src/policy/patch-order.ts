import type { Change } from "../store/transaction.ts";

/**
 * Keys in the order in which they can be set: shorter before longer. The document is asked for what stands there
 * after all changes, so an object must be in the place of a scalar before anything is put into it. A bucket that
 * is mounted or taken away stays where it is in the order.
 */
export function* parentsFirst(changes: readonly Change[]): Generator<Change> {
  let run: Change[] = [];
  for (const change of changes) {
    if ("key" in change) run.push(change);
    else {
      yield* run.toSorted(byDepth);
      run = [];
      yield change;
    }
  }
  yield* run.length > 1 ? run.toSorted(byDepth) : run;
}

function byDepth(a: Change, b: Change): number {
  return depthOf(a) - depthOf(b);
}

function depthOf(change: Change): number {
  return "key" in change ? change.key.split(".").length : 0;
}
