import { type Logger, silentLogger } from "../common/logger.ts";
import { type BridgeError, isBridgeError } from "../errors.ts";
import { AbsentBuckets } from "./absent-buckets.ts";
import { AuditSlots } from "./audit-slots.ts";
import { BucketRules } from "./bucket-rules.ts";
import { BucketWatcher } from "./bucket-watcher.ts";
import { MemoryBudget } from "./budget.ts";
import { type Clock, systemClock } from "./clock.ts";
import { CreateMutexes } from "./create-mutexes.ts";
import { LoadRoom } from "./load-room.ts";
import type { WatcherManagerOptions } from "./manager-options.ts";
import type { ManagerStatus } from "./manager-status.ts";
import { Retirements } from "./retirements.ts";
import { RootWatcher } from "./root-watcher.ts";
import { stalenessOf } from "./staleness.ts";
import { bridgeStoppingError, overError } from "./stream-end.ts";
import { WatcherSlots } from "./watcher-slots.ts";

export type { WatcherManagerOptions } from "./manager-options.ts";
export type { EvictionReason } from "./manager-status.ts";

/**
 * Who is watched. Creation is serialized per bucket by a mutex of its own, apart from the manager's state:
 * every read and every decision (who is inserted, who must go) is synchronous, and whatever takes time
 * (loading, stopping) happens outside. So no lookup ever waits, and the store is never entered with anything held.
 */
export class BucketWatcherManager {
  readonly #options: WatcherManagerOptions;
  readonly #logger: Logger;
  readonly #rules: BucketRules;
  readonly #clock: Clock;
  readonly #budget: MemoryBudget;
  readonly #absent: AbsentBuckets;
  readonly #slots: WatcherSlots;
  readonly #creates: CreateMutexes;
  readonly #loads: LoadRoom;
  readonly #auditSlots = new AuditSlots();
  readonly #starting = new Set<BucketWatcher>();
  readonly #retirements: Retirements;
  readonly #stopIdleTimer: () => void;
  readonly #stop = new AbortController();
  readonly #root: RootWatcher | undefined;
  #stopped: Promise<void> | undefined;
  #created = 0;

  constructor(options: WatcherManagerOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#rules = options.rules ?? new BucketRules();
    this.#clock = options.clock ?? systemClock;
    this.#absent = new AbsentBuckets({
      clock: this.#clock,
      failureTtlMs: options.missingBucketTtlMs,
      lookups: options.lookups,
    });
    this.#budget = new MemoryBudget(options);
    this.#slots = new WatcherSlots(options.maxBucketWatchers, this.#clock);
    this.#retirements = new Retirements(this.#absent, this.#slots.max, this.#logger);
    this.#creates = new CreateMutexes(
      options.maxConcurrentLoads + (options.maxWaitingLoads ?? 1_000),
    );
    const { rootBucket } = options.store;
    this.#loads = new LoadRoom(options.maxConcurrentLoads, rootBucket);
    if (rootBucket !== undefined) {
      this.#root = new RootWatcher({
        newWatcher: (onFailed) => this.#newWatcher(rootBucket, onFailed),
        whenRoom: (load) => this.#loads.run(rootBucket, load),
        logger: this.#logger,
        clock: this.#clock,
      });
    }
    this.#stopIdleTimer =
      options.ttlMs > 0
        ? this.#clock.every(Math.max(options.ttlMs / 4, 10), () => {
            for (const watcher of this.#slots.removeIdle(options.ttlMs))
              void this.#retirements.retire(watcher, "idle");
          })
        : () => undefined;
  }

  /** Whether policies see this bucket. Answers at once, and counts as no use. */
  hasWatcher(bucket: string): boolean {
    return this.watcher(bucket) !== undefined;
  }

  /** As {@link hasWatcher}, and marks the bucket as just used. */
  use(bucket: string): boolean {
    return this.#cached(bucket) !== undefined;
  }

  /** Keeps a bucket from being evicted until the answer is called; pins of one bucket are counted. */
  pin(bucket: string): () => void {
    return this.#slots.pin(bucket);
  }

  /** The bucket's watcher, if policies see the bucket; answers at once, and counts as no use. */
  watcher(bucket: string): BucketWatcher | undefined {
    const watcher = this.held(bucket);
    return watcher?.visible === true ? watcher : undefined;
  }

  /** As {@link watcher}, also when the bucket is hidden because its copy is too old. */
  held(bucket: string): BucketWatcher | undefined {
    const isRoot = bucket === this.#options.store.rootBucket;
    const watcher = isRoot ? this.#root?.current : this.#slots.get(bucket);
    return watcher?.inPlace === true ? watcher : undefined;
  }

  /** Why the last attempt to watch this bucket failed, if that was a short while ago. */
  recentFailure(bucket: string): BridgeError | undefined {
    return this.held(bucket)?.hiddenError ?? this.#absent.failure(bucket);
  }

  /**
   * The bucket's watcher, loaded and live; callers at the same time share one. Rejects with `BRIDGE_STOPPING`,
   * `BUCKET_*`, `NATS_*`, or `WATCHERS_ALL_PINNED`; a bucket that failed a short while ago is not asked for again,
   * nor is an unknown one while too many are (`BUCKET_LOOKUPS_LIMITED`).
   */
  async getOrCreateWatcher(bucket: string): Promise<BucketWatcher> {
    const cached = this.#cached(bucket);
    if (cached !== undefined) return cached;
    this.#refuseWhenStopping();
    this.#refuseHidden(bucket);
    if (this.#root !== undefined && bucket === this.#options.store.rootBucket)
      return this.#root.live;
    this.#rules.check(bucket);
    this.#absent.refuseLookup(bucket);
    return this.#creates.run(bucket, () => this.#cached(bucket) ?? this.#create(bucket));
  }

  /** Takes a bucket out and stops its watcher; false when it was not watched. Pins don't protect it. */
  async evict(bucket: string): Promise<boolean> {
    const watcher = this.#slots.remove(bucket);
    if (watcher === undefined) return false;
    await this.#retirements.retire(watcher, "manual");
    return true;
  }

  /** Ends the watch of a bucket whose data can't stay; the reason is what the next who ask are told. */
  fail(bucket: string, reason: BridgeError): void {
    this.watcher(bucket)?.fail(reason);
  }

  /**
   * Starts to watch the root bucket, for good: whenever its watcher fails it is started again. Rejects when the
   * first attempt fails, and goes on trying.
   */
  async startRoot(): Promise<void> {
    const { rootBucket } = this.#options.store;
    if (this.#root === undefined || rootBucket === undefined) return;
    this.#rules.check(rootBucket);
    await this.#root.start();
  }

  /**
   * Refuses new watchers, waits for those being created, and stops all, the root's included. Idempotent; after
   * it nothing is inserted and nothing is written.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  /** Every bucket that is watched or being loaded, and what came of others lately. Answers at once. */
  status(): ManagerStatus {
    const watchers = new Set(this.#slots.watchers());
    if (this.#root?.current !== undefined) watchers.add(this.#root.current);
    for (const watcher of this.#starting) watchers.add(watcher);
    return {
      buckets: [...watchers].map((watcher) => ({
        ...watcher.status(),
        evictions: this.#absent.evictions(watcher.bucket),
        pins: this.#slots.pins(watcher.bucket),
      })),
      failures: this.#absent.failures(),
      watchers: this.#slots.size,
      maxWatchers: this.#slots.max,
      bytes: this.#budget.total,
      counts: { created: this.#created, ...this.#retirements.counts },
      remembered: {
        ...this.#absent.sizes(),
        creating: this.#creates.size,
        pinned: this.#slots.pinned,
      },
    };
  }

  #cached(bucket: string): BucketWatcher | undefined {
    this.#slots.use(bucket);
    return this.watcher(bucket);
  }

  /** Runs with the bucket's create mutex held, and with nothing else. */
  async #create(bucket: string): Promise<BucketWatcher> {
    this.#refuseCreate(bucket);
    const watcher = await this.#loads.run(bucket, () => {
      // The wait for room may have been long.
      this.#refuseCreate(bucket);
      return this.#startWatcher(bucket);
    });
    try {
      this.#insert(watcher);
    } catch (error) {
      await watcher.stop();
      throw error;
    }
    return watcher;
  }

  /** Whatever can be said against a create without asking NATS. */
  #refuseCreate(bucket: string): void {
    this.#refuseWhenStopping();
    this.#refuseHidden(bucket);
    this.#absent.refuseLookup(bucket);
    this.#slots.refuseWhenFull(bucket);
  }

  async #startWatcher(bucket: string): Promise<BucketWatcher> {
    const watcher = this.#newWatcher(bucket, (reason) => this.#drop(watcher, reason));
    this.#starting.add(watcher);
    try {
      await watcher.start();
      this.#absent.found(bucket);
      return watcher;
    } catch (error) {
      if (isBridgeError(error) && error.code !== "BRIDGE_STOPPING") {
        this.#absent.failed(bucket, error);
      }
      throw error;
    } finally {
      this.#starting.delete(watcher);
    }
  }

  #newWatcher(bucket: string, onFailed: (reason: BridgeError) => void): BucketWatcher {
    if (this.#options.newWatcher !== undefined) return this.#options.newWatcher(bucket, onFailed);
    const { source, store, loadTimeoutMs, refreshIntervalMs, resyncCooldownMs } = this.#options;
    return new BucketWatcher(bucket, {
      source,
      store,
      budget: this.#budget,
      loadTimeoutMs,
      refreshIntervalMs,
      ...(resyncCooldownMs !== undefined && { resyncCooldownMs }),
      auditSlots: this.#auditSlots,
      loadRoom: this.#loads,
      staleness: stalenessOf(bucket, this.#options.staleness),
      onFailed,
      logger: this.#logger,
      clock: this.#clock,
    });
  }

  /** A watcher that can't go on is forgotten, with its reason kept for a while. */
  #drop(watcher: BucketWatcher, reason: BridgeError): void {
    const { bucket } = watcher;
    this.#slots.remove(bucket, watcher);
    this.#absent.failed(bucket, reason);
    void this.#retirements.track(watcher.stop());
  }

  /** The critical section of a create: synchronous, and without any store work. */
  #insert(watcher: BucketWatcher): void {
    this.#refuseWhenStopping();
    // Between the load's end and this line it may have failed.
    if (!watcher.visible) throw this.#absent.failure(watcher.bucket) ?? overError(watcher.bucket);
    const evicted = this.#slots.insert(watcher);
    if (evicted !== undefined) void this.#retirements.retire(evicted, "lru");
    this.#created++;
    this.#retirements.loaded(watcher.bucket);
  }

  #refuseWhenStopping(): void {
    if (this.#stop.signal.aborted) throw bridgeStoppingError();
  }

  /** A bucket that is hidden has a watcher already, which brings it back by itself. */
  #refuseHidden(bucket: string): void {
    const hidden = this.held(bucket)?.hiddenError;
    if (hidden !== undefined) throw hidden;
  }

  async #stopAll(): Promise<void> {
    this.#stop.abort();
    this.#stopIdleTimer();
    const root = this.#root?.stop();
    // Loads under way are ended rather than waited out; then every create is drained.
    await Promise.allSettled([...this.#starting].map((watcher) => watcher.stop()));
    await this.#creates.drain();
    await Promise.all([
      ...this.#slots.removeAll().map((watcher) => watcher.stop()),
      ...this.#retirements.underWay,
      root,
    ]);
  }
}
