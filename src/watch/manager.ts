import { Mutex, Semaphore } from "async-mutex";
import { LRUCache } from "lru-cache";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, isBridgeError, quote } from "../errors.ts";
import type { BucketSource } from "../nats/bucket-source.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { BucketRules } from "./bucket-rules.ts";
import { BucketWatcher, type BucketWatcherStatus } from "./bucket-watcher.ts";
import { type BudgetLimits, MemoryBudget } from "./budget.ts";
import { RootWatcher } from "./root-watcher.ts";

export interface WatcherManagerOptions extends BudgetLimits {
  readonly store: PolicyStore;
  readonly source: BucketSource;
  /** Buckets watched at a time, the root bucket not counted; the least recently used one makes room. */
  readonly maxBucketWatchers: number;
  readonly maxConcurrentLoads: number;
  readonly loadTimeoutMs: number;
  /** A watcher that no query has used for this long is stopped; 0: never. In milliseconds. */
  readonly ttlMs: number;
  /** How long a bucket that could not be watched is not asked for again, in milliseconds. */
  readonly missingBucketTtlMs: number;
  readonly rules?: BucketRules;
  readonly logger?: Logger;
  /** Makes the watchers; the seam for tests that start them without NATS. */
  readonly newWatcher?: (bucket: string, onFailed: (reason: BridgeError) => void) => BucketWatcher;
}

/** Why a watcher was stopped. */
export type EvictionReason = "lru" | "idle" | "manual";

interface Slot {
  readonly watcher: BucketWatcher;
  usedAt: number;
}

// Bounds on what is remembered of names that callers made up.
const REMEMBERED_FAILURES = 10_000;
const REMEMBERED_EVICTIONS = 1_000;
/** A bucket that is wanted again this soon after its eviction should not have been evicted. */
const THRASH_MS = 60_000;

/**
 * Who is watched. Creation is serialized per bucket by a mutex of its own, apart from the manager's state:
 * every read and every decision (who is inserted, who must go) is synchronous, and whatever takes time
 * (loading, stopping) happens outside. So no lookup ever waits, and the store is never entered with anything held.
 */
export class BucketWatcherManager {
  readonly #options: WatcherManagerOptions;
  readonly #logger: Logger;
  readonly #rules: BucketRules;
  readonly #budget: MemoryBudget;
  readonly #watchers: LRUCache<string, Slot>;
  readonly #pins = new Map<string, number>();
  readonly #createMutexes = new Map<string, Mutex>();
  readonly #loads: Semaphore;
  readonly #starting = new Set<BucketWatcher>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #failures: LRUCache<string, BridgeError>;
  readonly #evicted: LRUCache<string, true>;
  readonly #counts = { created: 0, lru: 0, idle: 0, manual: 0, thrash: 0 };
  readonly #idleTimer: NodeJS.Timeout | undefined;
  readonly #stop = new AbortController();
  readonly #root: RootWatcher | undefined;
  #stopped: Promise<void> | undefined;
  #warnedOfThrash = false;

  constructor(options: WatcherManagerOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#rules = options.rules ?? new BucketRules();
    this.#budget = new MemoryBudget(options);
    this.#watchers = new LRUCache({ max: options.maxBucketWatchers });
    this.#loads = new Semaphore(options.maxConcurrentLoads);
    this.#failures = new LRUCache({
      max: REMEMBERED_FAILURES,
      ttl: Math.max(1, options.missingBucketTtlMs),
    });
    this.#evicted = new LRUCache({ max: REMEMBERED_EVICTIONS, ttl: THRASH_MS });
    const { rootBucket } = options.store;
    if (rootBucket !== undefined) {
      this.#root = new RootWatcher({
        newWatcher: (onFailed) => this.#newWatcher(rootBucket, onFailed),
        whenRoom: (load) => this.#loads.runExclusive(load),
        logger: this.#logger,
      });
    }
    if (options.ttlMs > 0) {
      const every = Math.min(Math.max(options.ttlMs / 4, 10), 2 ** 31 - 1);
      this.#idleTimer = setInterval(() => this.#stopIdle(), every).unref();
    }
  }

  /** Whether policies see this bucket. Answers at once, and counts as no use. */
  hasWatcher(bucket: string): boolean {
    return this.#lookup(bucket) !== undefined;
  }

  /** As {@link hasWatcher}, and marks the bucket as just used. */
  use(bucket: string): boolean {
    const slot = this.#watchers.get(bucket);
    if (slot !== undefined) slot.usedAt = performance.now();
    return this.#lookup(bucket) !== undefined;
  }

  /** Keeps a bucket from being evicted until the answer is called; pins of one bucket are counted. */
  pin(bucket: string): () => void {
    this.#pins.set(bucket, (this.#pins.get(bucket) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = this.#pins.get(bucket)! - 1;
      if (left === 0) this.#pins.delete(bucket);
      else this.#pins.set(bucket, left);
    };
  }

  /** The bucket's watcher, if policies see the bucket; answers at once, and counts as no use. */
  watcher(bucket: string): BucketWatcher | undefined {
    return this.#lookup(bucket);
  }

  /** Why the last attempt to watch this bucket failed, if that was a short while ago. */
  recentFailure(bucket: string): BridgeError | undefined {
    return this.#failures.get(bucket);
  }

  /**
   * The bucket's watcher, loaded and live; callers at the same time share one. Rejects with `BRIDGE_STOPPING`,
   * `BUCKET_*`, `NATS_*`, or `WATCHERS_ALL_PINNED`; a bucket that failed a short while ago is not asked for again.
   */
  async getOrCreateWatcher(bucket: string): Promise<BucketWatcher> {
    const cached = this.#cached(bucket);
    if (cached !== undefined) return cached;
    this.#refuseWhenStopping();
    if (this.#root !== undefined && bucket === this.#options.store.rootBucket)
      return this.#root.live;
    this.#rules.check(bucket);
    const mutex = this.#createMutex(bucket);
    try {
      return await mutex.runExclusive(() => this.#cached(bucket) ?? this.#create(bucket));
    } finally {
      if (!mutex.isLocked() && this.#createMutexes.get(bucket) === mutex) {
        this.#createMutexes.delete(bucket);
      }
    }
  }

  /** Takes a bucket out and stops its watcher; false when it was not watched. Pins don't protect it. */
  async evict(bucket: string): Promise<boolean> {
    const slot = this.#watchers.peek(bucket);
    if (slot === undefined) return false;
    this.#watchers.delete(bucket);
    await this.#retire(slot.watcher, "manual");
    return true;
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

  status(): {
    readonly buckets: BucketWatcherStatus[];
    readonly failures: { bucket: string; code: string; message: string }[];
    readonly watchers: number;
    readonly maxWatchers: number;
    readonly bytes: number;
    readonly counts: Readonly<Record<"created" | EvictionReason | "thrash", number>>;
  } {
    const watchers = new Set([...this.#watchers.values()].map(({ watcher }) => watcher));
    if (this.#root?.current !== undefined) watchers.add(this.#root.current);
    for (const watcher of this.#starting) watchers.add(watcher);
    return {
      buckets: [...watchers].map((watcher) => watcher.status()),
      failures: [...this.#failures.entries()]
        .slice(0, 100)
        .map(([bucket, { code, message }]) => ({ bucket, code, message })),
      watchers: this.#watchers.size,
      maxWatchers: this.#options.maxBucketWatchers,
      bytes: this.#budget.total,
      counts: { ...this.#counts },
    };
  }

  #lookup(bucket: string): BucketWatcher | undefined {
    if (bucket !== this.#options.store.rootBucket) return this.#watchers.peek(bucket)?.watcher;
    const root = this.#root?.current;
    return root?.state === "live" || root?.state === "recovering" ? root : undefined;
  }

  #cached(bucket: string): BucketWatcher | undefined {
    return this.use(bucket) ? this.#lookup(bucket) : undefined;
  }

  #createMutex(bucket: string): Mutex {
    let mutex = this.#createMutexes.get(bucket);
    if (mutex === undefined) this.#createMutexes.set(bucket, (mutex = new Mutex()));
    return mutex;
  }

  /** Runs with the bucket's create mutex held, and with nothing else. */
  async #create(bucket: string): Promise<BucketWatcher> {
    this.#refuseWhenStopping();
    const failure = this.#failures.get(bucket);
    if (failure !== undefined) throw failure;
    this.#refuseWhenFull(bucket);
    const watcher = await this.#startWatcher(bucket);
    try {
      this.#insert(bucket, watcher);
    } catch (error) {
      await watcher.stop();
      throw error;
    }
    return watcher;
  }

  async #startWatcher(bucket: string): Promise<BucketWatcher> {
    return this.#loads.runExclusive(async () => {
      this.#refuseWhenStopping();
      const watcher = this.#newWatcher(bucket, (reason) => this.#drop(watcher, reason));
      this.#starting.add(watcher);
      try {
        await watcher.start();
        return watcher;
      } catch (error) {
        if (isBridgeError(error) && error.code !== "BRIDGE_STOPPING") {
          this.#failures.set(bucket, error);
        }
        throw error;
      } finally {
        this.#starting.delete(watcher);
      }
    });
  }

  #newWatcher(bucket: string, onFailed: (reason: BridgeError) => void): BucketWatcher {
    if (this.#options.newWatcher !== undefined) return this.#options.newWatcher(bucket, onFailed);
    const { source, store, loadTimeoutMs } = this.#options;
    return new BucketWatcher(bucket, {
      source,
      store,
      budget: this.#budget,
      loadTimeoutMs,
      onFailed,
      logger: this.#logger,
    });
  }

  /** A watcher that can't go on is forgotten, with its reason kept for a while. */
  #drop(watcher: BucketWatcher, reason: BridgeError): void {
    const { bucket } = watcher;
    if (this.#watchers.peek(bucket)?.watcher === watcher) this.#watchers.delete(bucket);
    this.#failures.set(bucket, reason);
    void this.#track(watcher.stop());
  }

  #refuseWhenFull(bucket: string): void {
    const { maxBucketWatchers } = this.#options;
    if (this.#watchers.size < maxBucketWatchers || this.#victim() !== undefined) return;
    throw new BridgeError(
      "WATCHERS_ALL_PINNED",
      `Bucket ${quote(bucket)} can't be watched: all ${maxBucketWatchers} watchers are in use by queries; raise plugins.nats.max_bucket_watchers.`,
    );
  }

  /** The least recently used bucket that no query holds. */
  #victim(): string | undefined {
    for (const bucket of this.#watchers.rkeys()) if (!this.#pins.has(bucket)) return bucket;
    return undefined;
  }

  /** The critical section of a create: synchronous, and without any store work. */
  #insert(bucket: string, watcher: BucketWatcher): void {
    this.#refuseWhenStopping();
    this.#refuseWhenFull(bucket);
    const failure = this.#failures.get(bucket);
    if (failure !== undefined) throw failure;
    if (this.#watchers.size >= this.#options.maxBucketWatchers) {
      const victim = this.#victim()!;
      const slot = this.#watchers.peek(victim)!;
      this.#watchers.delete(victim);
      void this.#retire(slot.watcher, "lru");
    }
    this.#watchers.set(bucket, { watcher, usedAt: performance.now() });
    this.#counts.created++;
    this.#noticeThrash(bucket);
  }

  /** Stops a watcher that is out of the LRU already; nobody waits for it but `stop()`. */
  #retire(watcher: BucketWatcher, reason: EvictionReason): Promise<void> {
    this.#counts[reason]++;
    if (reason === "lru") this.#evicted.set(watcher.bucket, true);
    this.#logger.info({ bucket: watcher.bucket, reason }, "stopping a bucket watcher");
    return this.#track(watcher.stop());
  }

  #track(stopping: Promise<void>): Promise<void> {
    const done = stopping.finally(() => this.#retiring.delete(done));
    this.#retiring.add(done);
    return done;
  }

  #noticeThrash(bucket: string): void {
    if (!this.#evicted.has(bucket)) return;
    this.#counts.thrash++;
    if (this.#warnedOfThrash) return;
    this.#warnedOfThrash = true;
    this.#logger.warn(
      { bucket, max_bucket_watchers: this.#options.maxBucketWatchers },
      "a bucket was loaded again soon after its eviction; raise plugins.nats.max_bucket_watchers",
    );
  }

  #stopIdle(): void {
    const before = performance.now() - this.#options.ttlMs;
    const idle = [...this.#watchers.entries()].filter(
      ([bucket, { usedAt }]) => usedAt <= before && !this.#pins.has(bucket),
    );
    for (const [bucket, slot] of idle) {
      this.#watchers.delete(bucket);
      void this.#retire(slot.watcher, "idle");
    }
  }

  #refuseWhenStopping(): void {
    if (this.#stop.signal.aborted) {
      throw new BridgeError(
        "BRIDGE_STOPPING",
        "The bridge is stopping; no bucket is watched anew.",
      );
    }
  }

  async #stopAll(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#idleTimer);
    // Loads under way are ended rather than waited out; then every create is drained.
    await Promise.allSettled([...this.#starting].map((watcher) => watcher.stop()));
    await Promise.all(
      [...this.#createMutexes.values()].map((mutex) => mutex.runExclusive(() => {})),
    );
    const watchers = [...this.#watchers.values()].map(({ watcher }) => watcher);
    this.#watchers.clear();
    await Promise.all([
      ...watchers.map((watcher) => watcher.stop()),
      ...this.#retiring,
      this.#root?.stop(),
    ]);
  }
}
