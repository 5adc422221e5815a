import type { BridgeError } from "../errors.ts";

/** What a policy may be told about a bucket. */
export interface BucketState {
  readonly state: "live" | "recovering" | "loading" | "unwatched";
  readonly revision?: number;
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
  /** Why the bucket could not be watched a short while ago. */
  recentFailure(bucket: string): BridgeError | undefined;
  state(bucket: string): BucketState;
}
