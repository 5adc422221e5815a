export interface BackoffOptions {
  /** The first delay's base, in milliseconds. Default 500. */
  readonly minMs?: number;
  /** No delay's base is larger, in milliseconds. Default 30,000. */
  readonly maxMs?: number;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Bounded exponential backoff with equal jitter: half of the base is always waited, the other half is random,
 * so that a fleet which lost the same server doesn't come back in step.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions = {}) {
    this.#minMs = options.minMs ?? 500;
    this.#maxMs = Math.max(options.maxMs ?? 30_000, this.#minMs);
    this.#random = options.random ?? Math.random;
  }

  /** Failures counted since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure; the answer is how long to wait, in milliseconds. */
  next(): number {
    const base = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#failures++, 30));
    return base / 2 + (base / 2) * this.#random();
  }

  /** To be called after a sustained success; the next delay is the shortest again. */
  reset(): void {
    this.#failures = 0;
  }
}
