import { LRUCache } from "lru-cache";
import { BridgeError, type ErrorCode, quote } from "../errors.ts";
import type { Clock } from "./clock.ts";

/** How many lookups of buckets may come to nothing. */
export interface LookupLimits {
  /** How many lookups may come to nothing at once. Default 100. */
  readonly burst?: number;
  /** How many more each second. Default 20. */
  readonly refillPerSecond?: number;
}

/** Buckets that were loaded once are looked up without a limit; this many of them are known. */
const KNOWN_BUCKETS = 10_000;

/** What a name that somebody made up is answered. */
const MISSES: ReadonlySet<ErrorCode> = new Set(["BUCKET_NOT_FOUND", "BUCKET_FORBIDDEN"]);

/**
 * A token bucket on lookups that come to nothing. Names can come from a policy's input, so without it anybody who
 * can ask for a decision could have NATS asked for made-up names without end. A lookup is paid for when its
 * outcome is known: buckets that exist cost nothing, and lookups under way may overdraw the account.
 */
export class LookupLimit {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #refillPerMs: number;
  readonly #known = new LRUCache<string, true>({ max: KNOWN_BUCKETS });
  #tokens: number;
  #refilledAt: number;

  constructor(clock: Clock, { burst = 100, refillPerSecond = 20 }: LookupLimits = {}) {
    this.#clock = clock;
    this.#burst = burst;
    this.#refillPerMs = refillPerSecond / 1_000;
    this.#tokens = burst;
    this.#refilledAt = clock.now();
  }

  /** How many names are remembered as those of real buckets. */
  get known(): number {
    return this.#known.size;
  }

  /** Throws `BUCKET_LOOKUPS_LIMITED` for a name that is not known when too many came to nothing lately. */
  check(bucket: string): void {
    this.#refill();
    if (this.#tokens < 1 && !this.#known.has(bucket)) {
      throw lookupsLimited(
        bucket,
        "too many unknown buckets were asked for; try again in a second",
      );
    }
  }

  found(bucket: string): void {
    this.#known.set(bucket, true);
  }

  failed(bucket: string, reason: BridgeError): void {
    if (!MISSES.has(reason.code)) return;
    this.#known.delete(bucket);
    this.#refill();
    this.#tokens--;
  }

  #refill(): void {
    const now = this.#clock.now();
    const earned = (now - this.#refilledAt) * this.#refillPerMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#refilledAt = now;
  }
}

export function lookupsLimited(bucket: string, why: string): BridgeError {
  return new BridgeError(
    "BUCKET_LOOKUPS_LIMITED",
    `Bucket ${quote(bucket)} is not looked up: ${why}.`,
  );
}
