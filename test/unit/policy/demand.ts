import type { BucketDemand } from "../../../src/policy/bucket-demand.ts";
import type { PolicyStore } from "../../../src/store/policy-store.ts";

/** Buckets are there when they are in the store; none is ever loaded. */
export function demandOn(store: PolicyStore): BucketDemand {
  return {
    isWatched: (bucket) => store.hasBucket(bucket),
    watch: () => undefined,
    load: () => Promise.reject(new Error("nothing is loaded here")),
    pin: () => () => undefined,
    recentFailure: () => undefined,
    unavailable: () => undefined,
    state: () => ({ state: "unwatched" }),
  };
}
