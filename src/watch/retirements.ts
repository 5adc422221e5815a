import type { Logger } from "../common/logger.ts";
import type { AbsentBuckets } from "./absent-buckets.ts";
import type { BucketWatcher } from "./bucket-watcher.ts";
import type { EvictionReason } from "./manager-status.ts";

/** Watchers that are out of their places already and stop by themselves, and what is counted of them. */
export class Retirements {
  readonly #absent: AbsentBuckets;
  readonly #maxWatchers: number;
  readonly #logger: Logger;
  readonly #retiring = new Set<Promise<void>>();
  readonly #counts = { lru: 0, idle: 0, manual: 0, thrash: 0 };
  #warnedOfThrash = false;

  constructor(absent: AbsentBuckets, maxWatchers: number, logger: Logger) {
    this.#absent = absent;
    this.#maxWatchers = maxWatchers;
    this.#logger = logger;
  }

  get counts(): Readonly<Record<EvictionReason | "thrash", number>> {
    return { ...this.#counts };
  }

  /** Those that have not stopped yet. */
  get underWay(): readonly Promise<void>[] {
    return [...this.#retiring];
  }

  /** Stops a watcher; nobody needs to wait for it. */
  retire(watcher: BucketWatcher, reason: EvictionReason): Promise<void> {
    this.#counts[reason]++;
    if (reason === "lru") this.#absent.evicted(watcher.bucket);
    this.#logger.info({ bucket: watcher.bucket, reason }, "stopping a bucket watcher");
    return this.track(watcher.stop());
  }

  /** Keeps a stop in mind until it is done. */
  track(stopping: Promise<void>): Promise<void> {
    const done = stopping.finally(() => this.#retiring.delete(done));
    this.#retiring.add(done);
    return done;
  }

  /** Counts a bucket that has just been loaded, when that comes soon after its eviction. */
  loaded(bucket: string): void {
    if (!this.#absent.evictedJustNow(bucket)) return;
    this.#counts.thrash++;
    if (this.#warnedOfThrash) return;
    this.#warnedOfThrash = true;
    this.#logger.warn(
      { bucket, max_bucket_watchers: this.#maxWatchers },
      "a bucket was loaded again soon after its eviction; raise plugins.nats.max_bucket_watchers",
    );
  }
}
