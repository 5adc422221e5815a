import type { Logger } from "../common/logger.ts";
import type { BridgeError } from "../errors.ts";
import type { BucketSource } from "../nats/bucket-source.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { BucketRules } from "./bucket-rules.ts";
import type { BucketWatcher } from "./bucket-watcher.ts";
import type { BudgetLimits } from "./budget.ts";
import type { Clock } from "./clock.ts";
import type { LookupLimits } from "./lookup-limit.ts";
import type { StalenessRule } from "./staleness.ts";

/** Of a {@link BucketWatcherManager}. */
export interface WatcherManagerOptions extends BudgetLimits {
  /** Where the buckets go to. */
  readonly store: PolicyStore;
  /** Where they come from. */
  readonly source: BucketSource;
  /** Buckets watched at a time, the root bucket not counted; the least recently used one makes room. */
  readonly maxBucketWatchers: number;
  /** Buckets loaded at the same time. */
  readonly maxConcurrentLoads: number;
  /** How long a first load may take, in milliseconds. */
  readonly loadTimeoutMs: number;
  /** See `BucketWatcherOptions`. */
  readonly resyncCooldownMs?: number;
  /** A watcher that no query has used for this long is stopped; 0: never. In milliseconds. */
  readonly ttlMs: number;
  /**
   * How often each watcher proves that its copy is right, give or take a tenth; 0: never. In milliseconds;
   * default 30,000.
   */
  readonly refreshIntervalMs?: number;
  /** How long a bucket that could not be watched is not asked for again, in milliseconds. */
  readonly missingBucketTtlMs: number;
  /** How old copies may get; the first rule that names a bucket counts. Default: none. */
  readonly staleness?: readonly StalenessRule[];
  /** Which names may be asked for. Default: every one that is a name of a bucket. */
  readonly rules?: BucketRules;
  /** Bounds on lookups of unknown buckets that come to nothing. */
  readonly lookups?: LookupLimits;
  /** How many buckets may wait to be loaded, those that are being loaded not counted. Default 1,000. */
  readonly maxWaitingLoads?: number;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Makes the watchers; the seam for tests that start them without NATS. */
  readonly newWatcher?: (bucket: string, onFailed: (reason: BridgeError) => void) => BucketWatcher;
  /** Default: the system's. */
  readonly clock?: Clock;
}
