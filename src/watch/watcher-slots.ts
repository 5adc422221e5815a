import { LRUCache } from "lru-cache";
import { BridgeError, quote } from "../errors.ts";
import type { BucketWatcher } from "./bucket-watcher.ts";
import type { Clock } from "./clock.ts";

interface Slot {
  readonly watcher: BucketWatcher;
  usedAt: number;
}

/**
 * The places that watchers may have, and the pins that keep them there. Everything here is synchronous and
 * stops nothing: whoever loses its place is handed back, and stopped elsewhere.
 */
export class WatcherSlots {
  readonly max: number;
  readonly #clock: Clock;
  readonly #slots: LRUCache<string, Slot>;
  readonly #pins = new Map<string, number>();

  constructor(max: number, clock: Clock) {
    this.max = max;
    this.#clock = clock;
    // No `dispose`: it would run in the middle of a change.
    this.#slots = new LRUCache({ max });
  }

  get size(): number {
    return this.#slots.size;
  }

  /** How many buckets are pinned. */
  get pinned(): number {
    return this.#pins.size;
  }

  watchers(): BucketWatcher[] {
    return [...this.#slots.values()].map(({ watcher }) => watcher);
  }

  /** Counts as no use. */
  get(bucket: string): BucketWatcher | undefined {
    return this.#slots.peek(bucket)?.watcher;
  }

  /** Marks the bucket as just used. */
  use(bucket: string): void {
    const slot = this.#slots.get(bucket);
    if (slot !== undefined) slot.usedAt = this.#clock.now();
  }

  /** How many queries hold the bucket. */
  pins(bucket: string): number {
    return this.#pins.get(bucket) ?? 0;
  }

  pin(bucket: string): () => void {
    this.#pins.set(bucket, this.pins(bucket) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = this.pins(bucket) - 1;
      if (left === 0) this.#pins.delete(bucket);
      else this.#pins.set(bucket, left);
      // The query that ends here has used the bucket until now.
      const slot = this.#slots.peek(bucket);
      if (slot !== undefined) slot.usedAt = this.#clock.now();
    };
  }

  /** Throws `WATCHERS_ALL_PINNED` when there is no place for the bucket and none can be made. */
  refuseWhenFull(bucket: string): void {
    if (this.#slots.size < this.max || this.#victim() !== undefined) return;
    throw new BridgeError(
      "WATCHERS_ALL_PINNED",
      `Bucket ${quote(bucket)} can't be watched: all ${this.max} watchers are in use by queries; raise plugins.nats.max_bucket_watchers.`,
    );
  }

  /** Gives a watcher a place; the answer is the one that had to make room. Throws `WATCHERS_ALL_PINNED`. */
  insert(watcher: BucketWatcher): BucketWatcher | undefined {
    const { bucket } = watcher;
    // One that was stopped behind the manager's back has no claim to its place.
    this.#slots.delete(bucket);
    this.refuseWhenFull(bucket);
    const victim = this.#slots.size < this.max ? undefined : this.#victim();
    const evicted = victim === undefined ? undefined : this.remove(victim);
    this.#slots.set(bucket, { watcher, usedAt: this.#clock.now() });
    return evicted;
  }

  /** Takes the bucket's watcher, or only this one, out of its place. */
  remove(bucket: string, only?: BucketWatcher): BucketWatcher | undefined {
    const watcher = this.get(bucket);
    if (watcher === undefined || (only !== undefined && only !== watcher)) return undefined;
    this.#slots.delete(bucket);
    return watcher;
  }

  /** Takes out those that no query has used for so long, and that none holds. */
  removeIdle(ttlMs: number): BucketWatcher[] {
    const before = this.#clock.now() - ttlMs;
    const idle = [...this.#slots.entries()].filter(
      ([bucket, { usedAt }]) => usedAt <= before && !this.#pins.has(bucket),
    );
    for (const [bucket] of idle) this.#slots.delete(bucket);
    return idle.map(([, { watcher }]) => watcher);
  }

  removeAll(): BucketWatcher[] {
    const watchers = this.watchers();
    this.#slots.clear();
    return watchers;
  }

  /** The least recently used bucket that no query holds. */
  #victim(): string | undefined {
    for (const bucket of this.#slots.rkeys()) if (!this.#pins.has(bucket)) return bucket;
    return undefined;
  }
}
