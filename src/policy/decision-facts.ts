import type { PolicyStore } from "../store/policy-store.ts";
import type { BucketDemand } from "./bucket-demand.ts";

/** How long a decision took; filled in by the engine while it is made. */
export interface DecisionTimes {
  /** How long the evaluations took together, in milliseconds. */
  evaluationMs: number;
  /** How long the decision waited for buckets, in milliseconds. */
  waitMs: number;
  /** How many times the decision waited for buckets. */
  suspensions: number;
}

/** What a decision can tell of how it was made; filled in by the engine while it is made. */
export interface DecisionFacts extends DecisionTimes {
  /**
   * The revision of every bucket that the decision used, as it was seen by the evaluation whose result counts:
   * the buckets that the policy asked for by a builtin, and the root bucket. A policy that asked for none may
   * have read any of them through `data`, so then it is all that were watched.
   */
  revisions: ReadonlyMap<string, number>;
  /** Those of them whose copy is over its staleness budget and is shown all the same (`on_stale: flag`): its age in ms. */
  stale: ReadonlyMap<string, number>;
  /** The revision of every bundle that was active when the decision was asked for, by the bundle's name. */
  bundles: ReadonlyMap<string, string>;
}

/** Facts that are filled in as far as they are asked for: without `revisions` and `stale`, only the times. */
export type AskedFacts = DecisionTimes & Partial<DecisionFacts>;

/** Times of a decision that is still to be made. */
export function noTimes(): DecisionTimes {
  return { evaluationMs: 0, waitMs: 0, suspensions: 0 };
}

/** Facts that nothing is known of yet. */
export function noFacts(): DecisionFacts {
  return { ...noTimes(), revisions: new Map(), stale: new Map(), bundles: new Map() };
}

/** Notes what a decision has used of these buckets and the root bucket; of all that are watched, where none is named. */
export function noteBuckets(
  facts: AskedFacts | undefined,
  store: PolicyStore,
  demand: BucketDemand,
  asked: ReadonlySet<string>,
): void {
  if (facts?.revisions === undefined) return;
  facts.revisions = revisionsOf(store, asked);
  const stale = new Map<string, number>();
  for (const bucket of facts.revisions.keys()) {
    const { state, ageMs = 0 } = demand.state(bucket);
    if (state === "stale") stale.set(bucket, ageMs);
  }
  facts.stale = stale;
}

function revisionsOf(store: PolicyStore, asked: ReadonlySet<string>): ReadonlyMap<string, number> {
  const names = new Set(asked.size > 0 ? asked : store.buckets());
  if (store.rootBucket !== undefined) names.add(store.rootBucket);
  const revisions = new Map<string, number>();
  for (const name of names) {
    const bucket = store.bucket(name);
    if (bucket !== undefined) revisions.set(name, bucket.revision);
  }
  return revisions;
}

/** The buckets that a path of `data` reads when no policy answers it; none where it may be all of them. */
export function bucketsAt(store: PolicyStore, path: readonly string[]): ReadonlySet<string> {
  const [top, second, bucket] = path;
  if (top === "nats" && second === "kv" && bucket !== undefined) return new Set([bucket]);
  const root = store.rootBucket;
  return new Set(top !== undefined && top !== "nats" && root !== undefined ? [root] : []);
}

/** Whether a path of `data` reads every bucket that is watched, when no policy answers it. */
export function readsAllBuckets([top, second, bucket]: readonly string[]): boolean {
  if (top === undefined) return true;
  return top === "nats" && (second === undefined || second === "kv") && bucket === undefined;
}

/** Makes one evaluation and adds its time to them, also when it throws. */
export function timed<T>(facts: DecisionTimes, evaluate: () => T): T {
  const started = performance.now();
  try {
    return evaluate();
  } finally {
    facts.evaluationMs += performance.now() - started;
  }
}

/** A time in the unit that OPA's `timer_*_ns` have. */
export function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}
