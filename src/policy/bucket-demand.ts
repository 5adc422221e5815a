import type { BridgeError } from "../errors.ts";

/** What a policy may be told about a bucket. */
export interface BucketState {
  /** `stale`: over its staleness budget, in sight or not. */
  readonly state: "live" | "recovering" | "stale" | "unwatched";
  /** Up to which the bucket is known; absent while it is not watched. */
  readonly revision?: number;
  /** How long ago the copy was last known to be current, in milliseconds; absent while it is not watched. */
  readonly ageMs?: number;
}

/** The narrow port through which policies ask for buckets. */
export interface BucketDemand {
  /** Whether the bucket's data is there; counts as a use. Answers at once. */
  isWatched(bucket: string): boolean;
  /** Starts to watch in the background. Never throws. */
  watch(bucket: string): void;
  /** Resolves when the bucket's data is there; shared with whoever else waits for it. Rejects with a BridgeError. */
  load(bucket: string): Promise<void>;
  /** Keeps a bucket from being evicted until the answer is called. */
  pin(bucket: string): () => void;
  /** Why the bucket could not be watched a short while ago, or may not be seen at the moment. */
  recentFailure(bucket: string): BridgeError | undefined;
  /** Why one of the buckets that are watched can't be had at the moment (`on_stale: unavailable`), if that is so. */
  unavailable(): BridgeError | undefined;
  /** What `nats.kv.status` answers. Answers at once. */
  state(bucket: string): BucketState;
}
