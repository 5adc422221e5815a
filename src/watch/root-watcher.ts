import { type Deferred, deferred } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { messageOf } from "../errors.ts";
import type { BucketWatcher } from "./bucket-watcher.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { bridgeStoppingError } from "./stream-end.ts";

export interface RootWatcherOptions {
  /** Makes a watcher of the root bucket that calls `onFailed` when it can't go on. */
  readonly newWatcher: (onFailed: () => void) => BucketWatcher;
  /** Runs a load when there is room for one. */
  readonly whenRoom: (load: () => Promise<void>) => Promise<void>;
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** Watches the root bucket for good: unlike others it is not asked for by queries, so nobody would start it again. */
export class RootWatcher {
  readonly #options: RootWatcherOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #current: BucketWatcher | undefined;
  /** What becomes of the attempt under way, or of the last one. */
  #attempt = newAttempt();
  #attemptOver = false;
  #ended = deferred();
  #started: Promise<void> | undefined;
  #following: Promise<void> | undefined;

  constructor(options: RootWatcherOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The watcher, live or not. */
  get current(): BucketWatcher | undefined {
    return this.#current;
  }

  /**
   * The watcher, as soon as it is live. Rejects with the reason when the attempt under way fails, or the last
   * one has and the next is yet to come; with `BRIDGE_STOPPING` after `stop()`.
   */
  get live(): Promise<BucketWatcher> {
    return this.#attempt.promise;
  }

  /**
   * Resolves when the bucket is live. Rejects when the first attempt fails, and the attempts go on all the same;
   * after `stop()` with `BRIDGE_STOPPING`.
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Safe in any state, any number of times. Once resolved, nothing more is written. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ended.resolve();
    await this.#current?.stop();
    await this.#following;
    this.#newAttempt().reject(bridgeStoppingError());
    this.#attemptOver = true;
  }

  async #start(): Promise<void> {
    const first = this.#attempt.promise;
    this.#following = this.#follow();
    await first;
  }

  async #follow(): Promise<void> {
    const { newWatcher, whenRoom, logger = silentLogger } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ random: () => this.#clock.random() });
    while (!signal.aborted) {
      const attempt = this.#newAttempt();
      const ended = deferred();
      this.#ended = ended;
      const watcher = newWatcher(() => {
        // At once, so that nobody is handed a watcher that is over.
        this.#newAttempt();
        ended.resolve();
      });
      this.#current = watcher;
      try {
        await whenRoom(() => watcher.start());
        if (watcher.visible) this.#settle(() => attempt.resolve(watcher));
        backoff.reset();
        await ended.promise;
        // What it owned is gone before another one begins, and before stop() is done.
        await watcher.stop();
      } catch (error) {
        this.#settle(() => attempt.reject(error));
        if (signal.aborted) break;
        const retryMs = Math.round(backoff.next());
        logger.warn({ bucket: watcher.bucket, retryMs }, `root bucket: ${messageOf(error)}`);
        await sleep(this.#clock, retryMs, signal);
      }
    }
  }

  /** The attempt to wait for: a new one when the last is over. */
  #newAttempt(): Deferred<BucketWatcher> {
    if (this.#attemptOver) this.#attempt = newAttempt();
    this.#attemptOver = false;
    return this.#attempt;
  }

  #settle(how: () => void): void {
    this.#attemptOver = true;
    how();
  }
}

function newAttempt(): Deferred<BucketWatcher> {
  const attempt = deferred<BucketWatcher>();
  // Often nobody waits for it.
  attempt.promise.catch(() => undefined);
  return attempt;
}
