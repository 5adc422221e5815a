import { BridgeError, quote } from "../errors.ts";

/** What buckets may take; bytes are the characters of keys and values. */
export interface BudgetLimits {
  /** Keys of one bucket. */
  readonly maxBucketKeys: number;
  /** Bytes of one bucket. */
  readonly maxBucketBytes: number;
  /** Bytes of all buckets together. */
  readonly maxTotalBytes: number;
}

/** What the data of all watched buckets may amount to; bytes are the characters of keys and values. */
export class MemoryBudget {
  readonly #limits: BudgetLimits;
  readonly #used = new Map<object, number>();
  #total = 0;

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** Characters in use, by everybody. */
  get total(): number {
    return this.#total;
  }

  /**
   * Notes what a holder uses now; throws `BUCKET_OVER_BUDGET`, noting nothing, when that is more than is allowed.
   * As nothing over a limit is ever noted, whoever does not grow is never refused for what all have together.
   */
  use(holder: object, bucket: string, keys: number, bytes: number): void {
    const { maxBucketKeys, maxBucketBytes, maxTotalBytes } = this.#limits;
    const before = this.#used.get(holder) ?? 0;
    const total = this.#total - before + bytes;
    if (keys > maxBucketKeys) throw overBudget(bucket, "keys", "max_bucket_keys", maxBucketKeys);
    if (bytes > maxBucketBytes)
      throw overBudget(bucket, "bytes", "max_bucket_bytes", maxBucketBytes);
    if (total > maxTotalBytes) {
      throw overBudget(bucket, "bytes in all buckets together", "max_total_bytes", maxTotalBytes);
    }
    this.#total = total;
    this.#used.set(holder, bytes);
  }

  /** A holder that has gone uses nothing. */
  release(holder: object): void {
    this.#total -= this.#used.get(holder) ?? 0;
    this.#used.delete(holder);
  }
}

function overBudget(bucket: string, what: string, key: string, limit: number): BridgeError {
  return new BridgeError(
    "BUCKET_OVER_BUDGET",
    `Bucket ${quote(bucket)} needs more than ${limit} ${what}; raise plugins.nats.${key}, or watch fewer or smaller buckets.`,
  );
}
