export interface ReplayBufferLimits {
  /** Items that may wait. 0: nothing waits, every item is dropped. */
  readonly maxItems: number;
  /** Bytes that may wait, by the sizes given to `push`. */
  readonly maxBytes: number;
}

/** What had to go to keep within the limits. */
export interface Dropped {
  /** Because too many items waited. */
  readonly byCount: number;
  /** Because too many bytes waited. */
  readonly byBytes: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly bytes: number;
}

/**
 * Items in the order they came, waiting to be delivered; bounded by count and by bytes, and the oldest goes first.
 *
 * A flush takes a batch out, so nothing is locked while it is being sent, and settles it with the number that
 * was delivered: the rest stands in front again, before what has come meanwhile. Nothing is lost by a flush that
 * is interrupted, however it is. Memory is bounded by the limits and the one batch that is out.
 */
export class ReplayBuffer<T> {
  readonly #limits: ReplayBufferLimits;
  readonly #onDrop: ((item: T) => void) | undefined;
  // What has been taken is undefined until the array is cut.
  #items: (Waiting<T> | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  /** `onDrop` is told each item that goes; it must not use the buffer. */
  constructor(limits: ReplayBufferLimits, onDrop?: (item: T) => void) {
    this.#limits = limits;
    this.#onDrop = onDrop;
  }

  /** How many items wait; those of a batch that is out don't count. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest item that waits. */
  get first(): T | undefined {
    return this.#items[this.#head]?.item;
  }

  /** How full the buffer is, from 0 to 1. */
  get fullness(): number {
    const { maxItems, maxBytes } = this.#limits;
    return Math.max(this.length / maxItems || 0, this.#bytes / maxBytes || 0);
  }

  /** Adds an item behind all others. */
  push(item: T, bytes: number): Dropped {
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    return this.#dropOldest();
  }

  /** Takes items out, the oldest first: at most `maxItems`, and `maxBytes` where that allows more than one. */
  take(maxItems: number, maxBytes: number = Number.POSITIVE_INFINITY): Batch<T> {
    let end = this.#head;
    let bytes = 0;
    while (end < this.#items.length && end - this.#head < maxItems) {
      const next = this.#items[end]!.bytes;
      if (end > this.#head && bytes + next > maxBytes) break;
      bytes += next;
      end++;
    }
    const taken = this.#items.slice(this.#head, end) as Waiting<T>[];
    this.#items.fill(undefined, this.#head, end);
    this.#head = end;
    this.#bytes -= bytes;
    this.#compact();
    let settled = false;
    return {
      items: taken.map(({ item }) => item),
      bytes,
      settle: (delivered) => {
        if (settled) return NOTHING;
        settled = true;
        return this.#putBack(taken.slice(delivered));
      },
    };
  }

  #putBack(unsent: readonly Waiting<T>[]): Dropped {
    if (unsent.length === 0) return NOTHING;
    this.#items = [...unsent, ...this.#items.slice(this.#head)];
    this.#head = 0;
    for (const { bytes } of unsent) this.#bytes += bytes;
    return this.#dropOldest();
  }

  #dropOldest(): Dropped {
    const { maxItems, maxBytes } = this.#limits;
    let byCount = 0;
    let byBytes = 0;
    while (this.length > 0) {
      if (this.length > maxItems) byCount++;
      else if (this.#bytes > maxBytes) byBytes++;
      else break;
      const { item, bytes } = this.#items[this.#head]!;
      this.#bytes -= bytes;
      this.#items[this.#head++] = undefined;
      this.#onDrop?.(item);
    }
    this.#compact();
    return byCount + byBytes === 0 ? NOTHING : { byCount, byBytes };
  }

  /** Cuts the array once half of it is taken, so that each item is moved once at most on average. */
  #compact(): void {
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** Items that are being delivered. */
export interface Batch<T> {
  readonly items: readonly T[];
  readonly bytes: number;
  /**
   * Ends the delivery: the first `delivered` items are done with, the others wait in front again. Only the first
   * call counts.
   */
  settle(delivered: number): Dropped;
}

const NOTHING: Dropped = { byCount: 0, byBytes: 0 };
