import type { BucketFailure } from "./absent-buckets.ts";
import type { BucketWatcherStatus } from "./watcher-status.ts";

/** Why a watcher was stopped. */
export type EvictionReason = "lru" | "idle" | "manual";

/** What a manager knows of one of its buckets. */
export interface WatchedBucketStatus extends BucketWatcherStatus {
  /** How many times the bucket was evicted to make room, as far as that is remembered. */
  readonly evictions: number;
  /** How many queries keep it from being evicted. */
  readonly pins: number;
}

/** What a manager knows; nothing secret. */
export interface ManagerStatus {
  /** Every bucket that is watched or being loaded. */
  readonly buckets: readonly WatchedBucketStatus[];
  /** Why buckets could not be watched lately; at most a hundred. */
  readonly failures: readonly BucketFailure[];
  /** Buckets that are watched, the root bucket not counted. */
  readonly watchers: number;
  /** How many may be. */
  readonly maxWatchers: number;
  /** Characters of keys and values, of all buckets together. */
  readonly bytes: number;
  /**
   * Since the start: watchers that were made, those that were stopped, by the reason, and buckets that were loaded
   * again soon after their eviction.
   */
  readonly counts: Readonly<Record<"created" | EvictionReason | "thrash", number>>;
  /** How many names are remembered; all of it is bounded. */
  readonly remembered: Readonly<
    Record<"failures" | "evictions" | "known" | "creating" | "pinned", number>
  >;
}
