import { deferred, sleep, within } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import type { BucketEntry, BucketRun, BucketSink, BucketSource } from "../nats/bucket-source.ts";
import type { BucketDocument, BucketFigures, KeyChange } from "../store/bucket-document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { WriteTransaction } from "../store/transaction.ts";
import { decodeValue } from "../store/value.ts";
import type { MemoryBudget } from "./budget.ts";
import { differences } from "./repair.ts";

/**
 * - `loading`: the first load is under way; policies see nothing of the bucket.
 * - `live`: policies see the bucket as NATS delivers it.
 * - `recovering`: the stream had a gap; the data from before it serves until a fresh snapshot is in.
 * - `stopped`, `failed`: over; the bucket's data is out of sight.
 */
export type WatcherState = "idle" | "loading" | "live" | "recovering" | "stopped" | "failed";

export interface BucketWatcherOptions {
  readonly source: BucketSource;
  readonly store: PolicyStore;
  readonly budget: MemoryBudget;
  /** How long the first load may take, in milliseconds. */
  readonly loadTimeoutMs: number;
  /** Told once when a watcher that was live can't go on: the bucket is gone, or has outgrown its budget. */
  readonly onFailed?: (reason: BridgeError) => void;
  readonly logger?: Logger;
}

export interface BucketWatcherStatus extends Partial<BucketFigures> {
  readonly bucket: string;
  readonly state: WatcherState;
  readonly incarnation?: string;
  /** How long ago the data was last known to be all that the bucket has, in milliseconds. */
  readonly ageMs?: number;
  /** How long the last load took, in milliseconds. */
  readonly loadMs?: number;
  /** How many times the bucket was loaded again after a gap. */
  readonly reloads: number;
  /** How many differences such reloads have found. */
  readonly repaired: number;
  readonly lastError?: string;
}

/** What a reload waits to put into the store: the whole bucket as it was at the revision. */
interface Reload {
  readonly snapshot: ReadonlyMap<string, KeyChange>;
  readonly revision: number;
}

/**
 * Keeps one bucket in the store: loads it, makes it visible in one transaction, follows it live, and makes it
 * equal again after every gap. It owns what it mounted, and on `stop()` takes away only what it still owns.
 */
export class BucketWatcher {
  readonly bucket: string;
  readonly #options: BucketWatcherOptions;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #loaded = deferred();
  #state: WatcherState = "idle";
  #endRun: (reason: BridgeError) => void = () => undefined;
  #following: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  /** What has been heard but not yet committed, in order; a mount or a reload stands before what followed it. */
  #mount: BucketDocument | undefined;
  #reload: Reload | undefined;
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
    this.#loaded.promise.catch(() => undefined);
  }

  get state(): WatcherState {
    return this.#state;
  }

  /**
   * Resolves when the first load has been committed. Rejects, with nothing left behind, with the reason why
   * the bucket can't be watched (`BUCKET_*`, `NATS_*`), or with `BRIDGE_STOPPING` after `stop()`.
   */
  async start(): Promise<void> {
    if (this.#state !== "idle") return this.#loaded.promise;
    this.#state = "loading";
    this.#following = this.#follow();
    try {
      await within(this.#options.loadTimeoutMs, this.#loaded.promise, () => this.#loadTimeout());
    } catch (error) {
      this.#lastError = messageOf(error);
      await this.stop();
      if (isBridgeError(error) && error.code !== "BRIDGE_STOPPING") this.#state = "failed";
      throw error;
    }
  }

  /** Safe in any state, any number of times. Once resolved, nothing more is written and the data is gone. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** How long ago the bucket was last known to be followed to its end, in milliseconds. */
  get ageMs(): number {
    return performance.now() - this.#currentAt;
  }

  status(): BucketWatcherStatus {
    const mounted = this.#state === "live" || this.#state === "recovering";
    const figures = mounted ? this.#options.store.bucket(this.bucket)?.figures() : undefined;
    return {
      bucket: this.bucket,
      state: this.#state,
      ...figures,
      ...(mounted && { ageMs: Math.round(this.ageMs) }),
      reloads: this.#reloads,
      repaired: this.#repaired,
      ...(this.#incarnation !== undefined && { incarnation: this.#incarnation }),
      ...(this.#loadMs !== undefined && { loadMs: Math.round(this.#loadMs) }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#state = "stopped";
    this.#endRun(stoppingError(this.bucket));
    this.#loaded.reject(stoppingError(this.bucket));
    await this.#following;
    await this.#committing;
    await this.#options.store.transact((tx) => tx.unmount(this.bucket, this));
    this.#options.budget.release(this);
  }

  /** Opens one stream after the other until the watcher stops. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff();
    while (!signal.aborted) {
      const { reason, loaded } = await this.#followOnce();
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
      // A stream that had loaded is opened again at once; one that fails to load must not be hammered.
      if (loaded) backoff.reset();
      else await sleep(backoff.next(), signal);
    }
  }

  #followOnce(): Promise<{ reason: BridgeError; loaded: boolean }> {
    return new Promise((resolve) => {
      const startedAt = performance.now();
      const first = this.#state === "loading";
      const document = first ? this.#options.store.createDocument(this.bucket) : undefined;
      const snapshot = new Map<string, KeyChange>();
      let loaded = false;
      let run: BucketRun | undefined;
      const end = (reason: BridgeError): void => {
        run?.stop();
        resolve({ reason, loaded });
      };
      this.#endRun = end;
      const guard = (step: () => void): void => {
        try {
          step();
        } catch (error) {
          end(isBridgeError(error) ? error : unexpected(this.bucket, error));
        }
      };
      const sink: BucketSink = {
        opened: (info) => {
          this.#incarnation = info.incarnation;
        },
        entry: (entry) =>
          guard(() => {
            const change = this.#read(entry);
            if (loaded) {
              this.#changes.push(change);
              this.#commitSoon();
            } else if (document !== undefined) {
              document.apply(change);
              this.#options.budget.use(this, this.bucket, document.keys, document.bytes);
            } else if (entry.operation === "delete") snapshot.delete(change.key);
            else snapshot.set(change.key, change);
          }),
        loaded: (revision) => {
          loaded = true;
          this.#currentAt = performance.now();
          this.#loadMs = this.#currentAt - startedAt;
          if (document !== undefined) {
            document.followed(revision);
            this.#mount = document;
          } else this.#reload = { snapshot, revision };
          this.#commitSoon();
        },
        current: () => {
          this.#currentAt = performance.now();
        },
        ended: end,
      };
      run = this.#options.source.open(this.bucket, sink);
    });
  }

  #read({ key, operation, data, revision }: BucketEntry): KeyChange {
    if (operation === "delete") return { key, revision };
    if (key.includes("\ufffd")) return { key, revision, refused: "its name is not UTF-8" };
    const value = decodeValue(data, key.split(".").length);
    return "refused" in value
      ? { key, revision, refused: value.refused }
      : { key, revision, value };
  }

  #commitSoon(): void {
    this.#committing ??= this.#commitAll().finally(() => {
      this.#committing = undefined;
    });
  }

  /** Commits what has been heard, batch by batch, until nothing is left. */
  async #commitAll(): Promise<void> {
    const { store } = this.#options;
    const { signal } = this.#stopping;
    // One turn of the microtask queue gathers what the socket delivered in one piece.
    await Promise.resolve();
    try {
      while (!signal.aborted && (this.#mount ?? this.#reload ?? this.#changes[0]) !== undefined) {
        await store.transact((tx) => {
          if (signal.aborted) return;
          this.#stage(tx);
        });
        this.#committed();
      }
    } catch (error) {
      this.#fail(isBridgeError(error) ? error : unexpected(this.bucket, error));
    }
  }

  #stage(tx: WriteTransaction): void {
    const mount = this.#mount;
    const reload = this.#reload;
    const changes = this.#changes;
    this.#mount = undefined;
    this.#reload = undefined;
    this.#changes = [];
    if (mount !== undefined) tx.mount(this.bucket, this, mount);
    if (reload !== undefined) {
      const document = this.#options.store.bucket(this.bucket);
      const repairs = document ? differences(document, reload.snapshot, reload.revision) : [];
      this.#reloads++;
      this.#repaired += repairs.length;
      tx.change(this.bucket, this, repairs, reload.revision);
    }
    if (changes.length > 0) tx.change(this.bucket, this, changes);
  }

  #committed(): void {
    if (this.#stopping.signal.aborted) return;
    const document = this.#options.store.bucket(this.bucket);
    if (document === undefined) return;
    this.#options.budget.use(this, this.bucket, document.keys, document.bytes);
    this.#state = "live";
    this.#loaded.resolve();
  }

  /** The watcher can't go on: before the first load that is `start()`'s error, later the manager's business. */
  #fail(reason: BridgeError): void {
    if (this.#stopping.signal.aborted) return;
    this.#lastError = reason.message;
    if (this.#state === "loading") {
      this.#loaded.reject(reason);
      return;
    }
    this.#logger.error({ bucket: this.bucket, code: reason.code }, reason.message);
    // Not awaited: stopping waits for the very work that has just failed.
    void this.stop().then(() => {
      this.#state = "failed";
    });
    this.#options.onFailed?.(reason);
  }

  #loadTimeout(): BridgeError {
    const ms = this.#options.loadTimeoutMs;
    const why = this.#lastError === undefined ? "" : ` The last problem was: ${this.#lastError}`;
    return new BridgeError(
      "BUCKET_LOAD_TIMEOUT",
      `Bucket ${quote(this.bucket)} was not loaded within ${ms} ms; check that NATS is reachable, or raise plugins.nats.load_timeout.${why}`,
    );
  }
}

/** Whether trying again at once can't help. A bucket that is gone has no data, so its data must go too. */
function isFinal(reason: BridgeError, loading: boolean): boolean {
  const { code } = reason;
  if (code === "BUCKET_NOT_FOUND" || code === "BUCKET_OVER_BUDGET" || code === "NATS_CLOSED")
    return true;
  return loading && (code === "BUCKET_FORBIDDEN" || code === "JETSTREAM_UNAVAILABLE");
}

function stoppingError(bucket: string): BridgeError {
  return new BridgeError("BRIDGE_STOPPING", `The watcher of bucket ${quote(bucket)} was stopped.`);
}

function unexpected(bucket: string, error: unknown): BridgeError {
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${quote(bucket)} can't be followed: ${messageOf(error)}`,
    { cause: error },
  );
}
