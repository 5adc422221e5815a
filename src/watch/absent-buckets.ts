import { LRUCache } from "lru-cache";
import type { BridgeError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { LookupLimit, type LookupLimits } from "./lookup-limit.ts";

export interface AbsentBucketsOptions {
  readonly clock: Clock;
  /** How long a failure is remembered, in milliseconds. */
  readonly failureTtlMs: number;
  readonly lookups?: LookupLimits | undefined;
}

/** A failure as an operator sees it. */
export interface BucketFailure {
  /** Its name, as it was asked for. */
  readonly bucket: string;
  /** One of the error codes. */
  readonly code: string;
  /** What is wrong, and the remedy. */
  readonly message: string;
}

// Bounds on what is remembered of names that callers made up.
const REMEMBERED_FAILURES = 10_000;
const REMEMBERED_EVICTIONS = 1_000;
/** How many failures the status lists. */
const LISTED_FAILURES = 100;
/** A bucket that is wanted again this soon after its eviction should not have been evicted. */
const THRASH_MS = 60_000;

/**
 * What is remembered about buckets that are not watched: why they failed, when they were evicted, and how often
 * names that are none were asked for. All of it is bounded, however many names are made up.
 */
export class AbsentBuckets {
  readonly #clock: Clock;
  readonly #failures: LRUCache<string, BridgeError>;
  readonly #evictions = new LRUCache<string, { count: number; at: number }>({
    max: REMEMBERED_EVICTIONS,
  });
  readonly #lookups: LookupLimit;

  constructor({ clock, failureTtlMs, lookups }: AbsentBucketsOptions) {
    this.#clock = clock;
    this.#failures = new LRUCache({
      max: REMEMBERED_FAILURES,
      ttl: Math.max(1, failureTtlMs),
      // To the millisecond, by the clock alone.
      ttlResolution: 0,
      perf: clock,
    });
    this.#lookups = new LookupLimit(clock, lookups);
  }

  /** Why the bucket could not be watched a short while ago. */
  failure(bucket: string): BridgeError | undefined {
    return this.#failures.get(bucket);
  }

  /** Throws why a bucket is not looked up at the moment: it failed a short while ago, or `BUCKET_LOOKUPS_LIMITED`. */
  refuseLookup(bucket: string): void {
    const failure = this.failure(bucket);
    if (failure !== undefined) throw failure;
    this.#lookups.check(bucket);
  }

  found(bucket: string): void {
    this.#lookups.found(bucket);
  }

  failed(bucket: string, reason: BridgeError): void {
    this.#failures.set(bucket, reason);
    this.#lookups.failed(bucket, reason);
  }

  evicted(bucket: string): void {
    this.#evictions.set(bucket, { count: this.evictions(bucket) + 1, at: this.#clock.now() });
  }

  /** How many times the bucket was evicted to make room, as far as that is remembered. */
  evictions(bucket: string): number {
    return this.#evictions.peek(bucket)?.count ?? 0;
  }

  /** Whether the bucket was evicted so short a while ago that it should not have been. */
  evictedJustNow(bucket: string): boolean {
    const eviction = this.#evictions.peek(bucket);
    return eviction !== undefined && this.#clock.now() - eviction.at <= THRASH_MS;
  }

  /** The latest failures, at most a hundred. */
  failures(): BucketFailure[] {
    const listed: BucketFailure[] = [];
    for (const [bucket, { code, message }] of this.#failures.entries()) {
      if (listed.length === LISTED_FAILURES) break;
      listed.push({ bucket, code, message });
    }
    return listed;
  }

  /** How many names are remembered. */
  sizes(): { readonly failures: number; readonly evictions: number; readonly known: number } {
    return {
      failures: this.#failures.size,
      evictions: this.#evictions.size,
      known: this.#lookups.known,
    };
  }
}
