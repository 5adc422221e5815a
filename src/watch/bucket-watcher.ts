import { deferred } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import type { BridgeError } from "../errors.ts";
import type { BucketSource } from "../nats/bucket-source.ts";
import type { KeyChange } from "../store/bucket-document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { Commit, WriteTransaction } from "../store/transaction.ts";
import type { MemoryBudget } from "./budget.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { listen, type Listening } from "./listen.ts";
import { changeOf, FirstLoad, type Load, Reload } from "./load.ts";
import { followError, isFinal, loadTimeoutError, stoppedError } from "./stream-end.ts";
import type { BucketWatcherStatus, WatcherState } from "./watcher-status.ts";

export type { BucketWatcherStatus, WatcherState } from "./watcher-status.ts";

export interface BucketWatcherOptions {
  readonly source: BucketSource;
  readonly store: PolicyStore;
  readonly budget: MemoryBudget;
  /** How long the first load may take, in milliseconds. */
  readonly loadTimeoutMs: number;
  /** Told once when a watcher that was live can't go on: the bucket is gone, or has outgrown its budget. */
  readonly onFailed?: (reason: BridgeError) => void;
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A stream that was followed for less than this counts as a failure: its end is no reason to hurry. */
const SUSTAINED_MS = 5_000;

/**
 * Keeps one bucket in the store: loads it, makes it visible in one transaction, follows it live, and makes it
 * equal again after every gap. It owns what it mounted, and on `stop()` takes away only what it still owns.
 */
export class BucketWatcher {
  readonly bucket: string;
  readonly #options: BucketWatcherOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #loaded = deferred();
  #state: WatcherState = "idle";
  #stream: Listening | undefined;
  #started: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  /** Why it is over. */
  #reason: BridgeError | undefined;
  /** A whole bucket that is not in the store yet; what follows it goes into it, until the store takes it over. */
  #load: Load | undefined;
  /** What has been heard since, and is not committed yet, in order. */
  #changes: KeyChange[] = [];
  #committing: Promise<void> | undefined;
  #incarnation: string | undefined;
  #currentAt = -Infinity;
  #loadMs: number | undefined;
  #reloads = 0;
  #repaired = 0;
  #lastError: string | undefined;

  constructor(bucket: string, options: BucketWatcherOptions) {
    this.bucket = bucket;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    this.#loaded.promise.catch(() => undefined);
  }

  get state(): WatcherState {
    return this.#state;
  }

  /** Whether policies see the bucket through this watcher. */
  get visible(): boolean {
    return this.#state === "live" || this.#state === "recovering";
  }

  /**
   * Resolves when the first load has been committed. Rejects, with nothing left behind, with the reason why
   * the bucket can't be watched (`BUCKET_*`, `NATS_*`), or with `BRIDGE_STOPPING` after `stop()`. Called again,
   * it answers the same.
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Safe in any state, any number of times. Once resolved, nothing more is written and the data is gone. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end("stopped", stoppedError(this.bucket));
    return this.#stopped;
  }

  /** Ends a watcher that is live, because its data can't stay; as if it had found that out by itself. */
  fail(reason: BridgeError): void {
    this.#fail(reason);
  }

  /** How long ago the bucket was last known to be followed to its end, in milliseconds. */
  get ageMs(): number {
    return this.#clock.now() - this.#currentAt;
  }

  status(): BucketWatcherStatus {
    const { visible } = this;
    const figures = visible ? this.#options.store.bucket(this.bucket)?.figures() : undefined;
    return {
      bucket: this.bucket,
      state: this.#state,
      ...figures,
      ...(visible && { ageMs: Math.round(this.ageMs) }),
      reloads: this.#reloads,
      repaired: this.#repaired,
      ...(this.#incarnation !== undefined && { incarnation: this.#incarnation }),
      ...(this.#loadMs !== undefined && { loadMs: Math.round(this.#loadMs) }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  async #start(): Promise<void> {
    let cancelTimeout = (): void => undefined;
    // After stop() there is nothing to start; what is awaited below has been rejected.
    if (this.#stopped === undefined) {
      const { loadTimeoutMs } = this.#options;
      this.#state = "loading";
      cancelTimeout = this.#clock.after(loadTimeoutMs, () => {
        if (this.#state !== "loading") return;
        this.#fail(loadTimeoutError(this.bucket, loadTimeoutMs, this.#lastError));
      });
      this.#following = this.#follow();
    }
    try {
      await this.#loaded.promise.finally(cancelTimeout);
      // Between the load's commit and this line it may have ended again.
      if (this.#reason !== undefined) throw this.#reason;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #end(state: "stopped" | "failed", reason: BridgeError): Promise<void> {
    this.#stopping.abort();
    this.#state = state;
    this.#reason = reason;
    this.#stream?.end(reason);
    this.#loaded.reject(reason);
    // What is on its way out leaves its room at once to those that come, the bucket's next watcher among them.
    this.#options.budget.release(this);
    await this.#following;
    await this.#committing;
    await this.#options.store.transact((tx) => tx.unmount(this.bucket, this));
  }

  /** It can't go on: before the first load that is `start()`'s error, later the manager's business. */
  #fail(reason: BridgeError): void {
    if (this.#stopped !== undefined) return;
    const { visible } = this;
    this.#lastError = reason.message;
    // Not awaited here: ending waits for the very work that has just failed.
    this.#stopped = this.#end("failed", reason);
    if (!visible) return;
    this.#logger.error({ bucket: this.bucket, code: reason.code }, reason.message);
    this.#options.onFailed?.(reason);
  }

  /** Opens one stream after the other until the watcher stops. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff({ random: () => this.#clock.random() });
    while (!signal.aborted) {
      this.#stream = this.#listen();
      const { reason, followedMs } = await this.#stream.ended;
      // What this stream has said goes in before anything that the next one says.
      await this.#committing;
      if (signal.aborted) return;
      if (isFinal(reason, this.#state === "loading")) {
        this.#fail(reason);
        return;
      }
      this.#lastError = reason.message;
      if (this.#state === "live") this.#state = "recovering";
      this.#logger.warn({ bucket: this.bucket, code: reason.code }, reason.message);
      // The first gap after a quiet time is closed at once; streams that fail one after the other wait.
      if (followedMs !== undefined && followedMs >= SUSTAINED_MS) backoff.reset();
      const atOnce = followedMs !== undefined && backoff.failures === 0;
      const waitMs = backoff.next();
      if (!atOnce) await sleep(this.#clock, waitMs, signal);
    }
  }

  #listen(): Listening {
    const { store, source } = this.#options;
    const openedAt = this.#clock.now();
    const Kind = this.#state === "loading" ? FirstLoad : Reload;
    const load = new Kind(store, this.bucket, this);
    return listen(source, this.bucket, this.#clock, {
      opened: ({ incarnation }) => {
        this.#incarnation = incarnation;
      },
      entry: (entry, live) => {
        const change = changeOf(entry);
        if (live) this.#hearLive(change);
        else this.#addTo(load, change);
      },
      loaded: (revision) => {
        this.#currentAt = this.#clock.now();
        this.#loadMs = this.#currentAt - openedAt;
        load.followed(revision);
        this.#load = load;
        this.#commitSoon();
      },
      current: () => {
        this.#currentAt = this.#clock.now();
      },
    });
  }

  #addTo(load: Load, change: KeyChange): void {
    load.apply(change);
    // While a bucket is loaded again there are two copies of it; the larger one is what it needs.
    const { store, budget } = this.#options;
    const mounted = load.kind === "again" ? store.bucket(this.bucket) : undefined;
    const keys = Math.max(load.keys, mounted?.keys ?? 0);
    budget.use(this, this.bucket, keys, Math.max(load.bytes, mounted?.bytes ?? 0));
  }

  #hearLive(change: KeyChange): void {
    if (this.#load === undefined) {
      this.#changes.push(change);
      this.#commitSoon();
      return;
    }
    try {
      this.#addTo(this.#load, change);
      this.#load.followed(change.revision);
    } catch (error) {
      // What may not be there as a whole is not shown in part.
      this.#load = undefined;
      throw error;
    }
  }

  #commitSoon(): void {
    this.#committing ??= this.#commitAll();
  }

  /** Commits what has been heard, batch by batch, until nothing is left. */
  async #commitAll(): Promise<void> {
    const { store } = this.#options;
    const { signal } = this.#stopping;
    // One turn of the microtask queue gathers what the socket delivered in one piece.
    await Promise.resolve();
    try {
      while (!signal.aborted && (this.#load !== undefined || this.#changes.length > 0)) {
        const load = this.#load;
        // The store's readers get ready for the load as it is now; what follows it from here on is kept apart.
        this.#load = undefined;
        const undo = await load?.prepare();
        try {
          const commit = await store.transact((tx) => {
            if (!signal.aborted) this.#stage(tx, load);
          });
          if (!signal.aborted) this.#committed(commit, load);
        } finally {
          // Does nothing where the load is in the store.
          undo?.();
        }
      }
    } catch (error) {
      this.#fail(followError(this.bucket, error));
    } finally {
      // In the same breath as the last look at what is left, so that nothing can come in between.
      this.#committing = undefined;
    }
  }

  /** A load as the store's readers are ready for it, then what has followed it meanwhile, all at once. */
  #stage(tx: WriteTransaction, load: Load | undefined): void {
    load?.stage(tx);
    const changes = this.#changes;
    this.#changes = [];
    if (changes.length > 0) tx.change(this.bucket, this, changes);
  }

  #committed(commit: Commit | undefined, load: Load | undefined): void {
    const document = this.#options.store.bucket(this.bucket);
    if (document === undefined) return;
    if (load?.kind === "again") {
      this.#reloads++;
      this.#repaired += commit?.changes.length ?? 0;
    }
    this.#state = "live";
    this.#loaded.resolve();
    this.#options.budget.use(this, this.bucket, document.keys, document.bytes);
  }
}
