import { Semaphore } from "async-mutex";
import { deferred } from "../common/async.ts";

/** The root bucket is loaded before those that wait. */
const ROOT_PRIORITY = 1;

/**
 * Bounds how many buckets are loaded at the same time, for the first time or again: a connection that comes back
 * must not make all of them ask for everything at once.
 */
export class LoadRoom {
  readonly #loads: Semaphore;
  readonly #rootBucket: string | undefined;

  constructor(maxConcurrentLoads: number, rootBucket?: string) {
    this.#loads = new Semaphore(maxConcurrentLoads);
    this.#rootBucket = rootBucket;
  }

  /** Runs a bucket's load when there is room for it. */
  run<T>(bucket: string, load: () => Promise<T>): Promise<T> {
    return this.#loads.runExclusive(load, 1, this.#priority(bucket));
  }

  /**
   * Waits for room; the answer gives it back, and may be called any number of times. Once the signal aborts it
   * waits no longer, and nothing is held.
   */
  async enter(bucket: string, signal: AbortSignal): Promise<() => void> {
    const entering = this.#loads.acquire(1, this.#priority(bucket));
    const aborted = deferred<undefined>();
    const stop = (): void => aborted.resolve(undefined);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    const entered = await Promise.race([entering, aborted.promise]);
    signal.removeEventListener("abort", stop);
    if (entered !== undefined && !signal.aborted) return entered[1];
    // The place in the queue can't be given up; the room that comes of it can.
    void entering.then(([, leave]) => leave());
    return () => undefined;
  }

  #priority(bucket: string): number {
    return bucket === this.#rootBucket ? ROOT_PRIORITY : 0;
  }
}
