import { deferred, sleep } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { messageOf } from "../errors.ts";
import type { BucketWatcher } from "./bucket-watcher.ts";

export interface RootWatcherOptions {
  /** Makes a watcher of the root bucket that calls `onFailed` when it can't go on. */
  readonly newWatcher: (onFailed: () => void) => BucketWatcher;
  /** Runs a load when there is room for one. */
  readonly whenRoom: (load: () => Promise<void>) => Promise<void>;
  readonly logger?: Logger;
}

/** Watches the root bucket for good: unlike others it is not asked for by queries, so nobody would start it again. */
export class RootWatcher {
  readonly #options: RootWatcherOptions;
  readonly #stopping = new AbortController();
  #current: BucketWatcher | undefined;
  #live = deferred<BucketWatcher>();
  #ended = deferred();
  #following: Promise<void> | undefined;

  constructor(options: RootWatcherOptions) {
    this.#options = options;
    this.#live.promise.catch(() => undefined);
  }

  /** The watcher, live or not. */
  get current(): BucketWatcher | undefined {
    return this.#current;
  }

  /** Resolves with the watcher as soon as it is live; rejects when `stop()` comes first. */
  get live(): Promise<BucketWatcher> {
    return this.#live.promise;
  }

  /** Resolves when the bucket is live. Rejects when the first attempt fails; the attempts go on all the same. */
  async start(): Promise<void> {
    const first = deferred();
    this.#following = this.#follow(first.resolve, first.reject);
    await first.promise;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ended.resolve();
    await this.#current?.stop();
    await this.#following;
  }

  async #follow(started: () => void, failed: (error: unknown) => void): Promise<void> {
    const { newWatcher, whenRoom, logger = silentLogger } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff();
    while (!signal.aborted) {
      const ended = deferred();
      this.#ended = ended;
      const watcher = newWatcher(ended.resolve);
      this.#current = watcher;
      try {
        await whenRoom(() => watcher.start());
        this.#live.resolve(watcher);
        started();
        backoff.reset();
        await ended.promise;
        this.#live = deferred();
        this.#live.promise.catch(() => undefined);
      } catch (error) {
        failed(error);
        if (signal.aborted) break;
        const retryMs = Math.round(backoff.next());
        logger.warn({ bucket: watcher.bucket, retryMs }, `root bucket: ${messageOf(error)}`);
        await sleep(retryMs, signal);
      }
    }
    this.#live.reject(new Error("stopped"));
  }
}
