import { deferred } from "../common/async.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import type { BridgeError } from "../errors.ts";
import { BucketWriter } from "./bucket-writer.ts";
import { AuditSlots } from "./audit-slots.ts";
import { Auditor } from "./auditor.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ExpiryTimer } from "./expiry-timer.ts";
import { Heard } from "./heard.ts";
import { listen, type Listening, type RepairCause } from "./listen.ts";
import type { Load } from "./load.ts";
import { Repairs } from "./repair.ts";
import { Resync } from "./resync.ts";
import { type StalenessRule, StalenessWatch } from "./staleness.ts";
import {
  differenceError,
  followError,
  isFinal,
  loadTimeoutError,
  staleError,
  stoppedError,
} from "./stream-end.ts";
import type { BucketWatcherOptions } from "./watcher-options.ts";
import { type BucketWatcherStatus, type WatcherState, watcherStatus } from "./watcher-status.ts";
import { Wholeness } from "./wholeness.ts";

const LATE = "the server's answer took longer than its copy may be old";

/**
 * Keeps one bucket in the store: loads it, makes it visible in one transaction, follows it live, and makes it
 * equal again after every gap. It owns what it mounted, and on `stop()` takes away only what it still owns.
 */
export class BucketWatcher {
  /** Its name. */
  readonly bucket: string;
  readonly #options: BucketWatcherOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #loaded = deferred();
  readonly #writer: BucketWriter;
  #state: WatcherState = "idle";
  readonly #expiry: ExpiryTimer;
  readonly #slots: AuditSlots;
  readonly #resync: Resync;
  readonly #currency: StalenessWatch;
  readonly #repairs = new Repairs();
  readonly #wholeness = new Wholeness();
  #stream: Listening | undefined;
  #auditor: Auditor | undefined;
  /** Why the load that is under way is made. */
  #cause: RepairCause = "error";
  #started: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  /** Why it is over. */
  #reason: BridgeError | undefined;
  #incarnation: string | undefined;
  #hiding: Promise<void> | undefined;
  #failingSince: number | undefined;
  #loadMs: number | undefined;
  #lastError: string | undefined;

  constructor(bucket: string, options: BucketWatcherOptions) {
    this.bucket = bucket;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    this.#loaded.promise.catch(() => undefined);
    this.#slots = options.auditSlots ?? new AuditSlots();
    this.#resync = new Resync(bucket, options, this.#clock);
    this.#expiry = new ExpiryTimer(this.#clock, (expired) => {
      for (const change of expired) this.#writer.change(change);
    });
    this.#currency = new StalenessWatch(this.#clock, options.staleness, (rule) =>
      this.#grewStale(rule),
    );
    this.#writer = new BucketWriter({
      bucket,
      owner: this,
      store: options.store,
      budget: options.budget,
      signal: this.#stopping.signal,
      onCommitted: (commit, load) => {
        // Only a load makes it live: entries expire also while there is no stream.
        if (load !== undefined) this.#wentLive(load, commit?.changes.length ?? 0);
      },
      onFailed: (error) => this.#fail(followError(bucket, error)),
    });
  }

  /** What it is doing. */
  get state(): WatcherState {
    return this.#state;
  }

  /** Whether policies see the bucket through this watcher. */
  get visible(): boolean {
    return this.#state === "live" || this.#state === "recovering";
  }

  /** Whether the bucket was loaded and is looked after still, in sight or not. */
  get inPlace(): boolean {
    return this.visible || this.#state === "hidden";
  }

  /** Why policies don't see the bucket at the moment; undefined where they do, or the watcher is over. */
  get hiddenError(): BridgeError | undefined {
    if (this.#state !== "hidden") return undefined;
    return staleError(this.bucket, this.ageMs, this.#options.staleness!.onStale);
  }

  /**
   * Resolves when the first load has been committed. Rejects, with nothing left behind, with the reason why
   * the bucket can't be watched (`BUCKET_*`, `NATS_*`), or with `BRIDGE_STOPPING` after `stop()`. Called again,
   * it answers the same.
   */
  start(): Promise<void> {
    return (this.#started ??= this.#start());
  }

  /** Safe in any state, any number of times. Once resolved, nothing more is written and the data is gone. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#end("stopped", stoppedError(this.bucket)));
  }

  /** Ends a watcher that is live, because its data can't stay; as if it had found that out by itself. */
  fail(reason: BridgeError): void {
    this.#fail(reason);
  }

  /** How long ago the bucket was last known to be followed to its end, in milliseconds. */
  get ageMs(): number {
    return this.#currency.ageMs;
  }

  /**
   * Up to which revision policies see the bucket whole: every key as it was then, or as it was later. Mostly that is
   * the revision of the copy; undefined where they don't see the bucket.
   */
  get wholeRevision(): number | undefined {
    const copy = this.visible ? this.#options.store.bucket(this.bucket) : undefined;
    return copy && this.#wholeness.at(copy.revision, this.#writer.isIdle);
  }

  /** Finds out whether the copy is whole again where something was left out; to be called while somebody waits. */
  proveWhole(): void {
    this.#stream?.prove();
  }

  /** What is known of the bucket and its copy; nothing secret. */
  status(): BucketWatcherStatus {
    const { inPlace, visible, bucket } = this;
    return watcherStatus({
      bucket,
      state: this.#state,
      figures: visible ? this.#options.store.bucket(bucket)?.figures() : undefined,
      ageMs: inPlace ? this.ageMs : undefined,
      stale: this.#currency.stale,
      onStale: this.#options.staleness?.onStale,
      failingMs: this.#failingSince && this.#clock.now() - this.#failingSince,
      repairs: this.#repairs.counts,
      repaired: this.#repairs.differences,
      incarnation: this.#incarnation,
      loadMs: this.#loadMs,
      provedMs: this.#auditor?.provedMs,
      doubt: this.#auditor?.doubt,
      lastError: this.#lastError,
    });
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
    this.#expiry.stop();
    this.#currency.stop();
    this.#resync.over();
    this.#loaded.reject(reason);
    // What is on its way out leaves its room at once to those that come, the bucket's next watcher among them.
    this.#options.budget.release(this);
    await this.#following;
    await this.#writer.unmount();
  }

  /** It can't go on: before the first load that is `start()`'s error, later the manager's business. */
  #fail(reason: BridgeError): void {
    if (this.#stopped !== undefined) return;
    const { inPlace } = this;
    this.#lastError = reason.message;
    // Not awaited here: ending waits for the very work that has just failed.
    this.#stopped = this.#end("failed", reason);
    if (!inPlace) return;
    this.#logger.error({ bucket: this.bucket, code: reason.code }, reason.message);
    this.#options.onFailed?.(reason);
  }

  /** Opens one stream after the other until the watcher stops. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#stream = this.#listen();
      const end = await this.#stream.ended;
      const { reason, followedMs, cause = "error" } = end;
      this.#auditor?.stop();
      this.#cause = cause;
      this.#wholeness.ended(cause);
      // What this stream has said goes in before anything that the next one says.
      await this.#writer.written;
      if (signal.aborted) return;
      if (isFinal(reason, this.#state === "loading")) {
        this.#fail(reason);
        return;
      }
      this.#lastError = reason.message;
      if (followedMs === undefined) this.#failingSince ??= this.#clock.now();
      if (this.#state === "live") this.#state = "recovering";
      this.#logger.warn({ bucket: this.bucket, code: reason.code }, reason.message);
      await this.#resync.next(end, this.#state !== "loading", signal);
      // It may have grown stale while it waited; what takes it out of sight comes before what brings it back.
      await this.#hiding;
    }
  }

  #wentLive({ kind }: Load, changes: number): void {
    if (kind === "again") this.#repairs.add(this.#cause, changes);
    this.#resync.over();
    this.#wholeness.committed();
    // What was hidden meanwhile goes out of sight again right after this commit.
    if (this.#hiding !== undefined) return;
    this.#state = "live";
    this.#failingSince = undefined;
    this.#loaded.resolve();
    // The way into the store may have taken longer than the budget.
    if (this.#currency.stale) this.#grewStale(this.#options.staleness!);
  }

  #listen(): Listening {
    const openedAt = this.#clock.now();
    const load = this.#writer.newLoad();
    const heard = new Heard(this.#clock);
    return listen(this.#options.source, this.bucket, this.#clock, {
      opened: (info) => {
        this.#incarnation = info.incarnation;
        this.#resync.opened();
        heard.opened(info);
        this.#wholeness.opened(info);
      },
      entry: (entry, live) => {
        const change = heard.entry(entry);
        if (!live) this.#writer.add(load, change);
        else {
          this.#writer.change(change);
          this.#expiry.check();
        }
      },
      loaded: (revision, ageMs) => {
        heard.loaded(revision);
        this.#currency.renew(ageMs);
        if (this.#currency.hidden) throw differenceError(this.bucket, LATE);
        this.#loadMs = this.#clock.now() - openedAt;
        this.#wholeness.loaded(heard);
        this.#writer.loaded(load, revision);
        this.#expiry.follow(heard);
        this.#auditor = this.#audit(heard);
      },
      whole: (revision) => heard.wholeTo(revision),
      current: (revision) => {
        heard.reached(revision);
        // Where no audit can be made, that nothing comes does not prove that there is nothing.
        if (this.#auditor?.doubt === undefined) this.#currency.renew();
      },
    });
  }

  /** Over its budget: out of sight in one transaction, where that is asked for, until a load brings it back. */
  #grewStale({ onStale }: StalenessRule): void {
    const reason = staleError(this.bucket, this.ageMs, onStale);
    this.#logger.warn({ bucket: this.bucket, onStale }, reason.message);
    if (!this.visible || !this.#currency.hidden) return;
    this.#state = "hidden";
    this.#expiry.stop();
    this.#hiding = this.#writer.unmount().finally(() => (this.#hiding = undefined));
    this.#stream?.end(reason, "stalled");
  }

  #audit(heard: Heard): Auditor {
    const { source, store, refreshIntervalMs = 30_000 } = this.#options;
    return new Auditor({
      bucket: this.bucket,
      source,
      clock: this.#clock,
      slots: this.#slots,
      refreshIntervalMs,
      heard,
      document: () => (this.visible ? store.bucket(this.bucket) : undefined),
      written: () => this.#writer.written,
      onDifference: (cause, what) => this.#stream?.end(differenceError(this.bucket, what), cause),
    });
  }
}
