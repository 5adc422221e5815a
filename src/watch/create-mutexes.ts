import { Mutex } from "async-mutex";
import { lookupsLimited } from "./lookup-limit.ts";

/**
 * One mutex for each bucket that is being created, apart from the manager's state: whoever holds one makes its
 * own bucket's callers wait, and nobody else.
 */
export class CreateMutexes {
  readonly #max: number;
  readonly #mutexes = new Map<string, Mutex>();

  /** `max`: how many buckets may be in creation at the same time. */
  constructor(max: number) {
    this.#max = max;
  }

  /** How many buckets are being created. */
  get size(): number {
    return this.#mutexes.size;
  }

  /** Runs `create` after those of the same bucket that came before. Rejects with `BUCKET_LOOKUPS_LIMITED`. */
  async run<T>(bucket: string, create: () => T | Promise<T>): Promise<T> {
    const mutex = this.#mutexFor(bucket);
    try {
      return await mutex.runExclusive(create);
    } finally {
      if (!mutex.isLocked() && this.#mutexes.get(bucket) === mutex) this.#mutexes.delete(bucket);
    }
  }

  /** Resolves when all that are under way or wait have ended; none may be begun any more. */
  async drain(): Promise<void> {
    await Promise.all([...this.#mutexes.values()].map((mutex) => mutex.runExclusive(() => {})));
    this.#mutexes.clear();
  }

  #mutexFor(bucket: string): Mutex {
    const known = this.#mutexes.get(bucket);
    if (known !== undefined) return known;
    if (this.#mutexes.size >= this.#max) {
      throw lookupsLimited(bucket, `${this.#max} buckets are being loaded or wait for it`);
    }
    const mutex = new Mutex();
    this.#mutexes.set(bucket, mutex);
    return mutex;
  }
}
