/** A token bucket: at most `perSecond` on average, and as many at once (at least one), as in OPA. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, Math.floor(perSecond));
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  /** Whether one more is within the limit now; counts it if so. */
  allow(nowMs: number): boolean {
    const passed = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (passed * this.#perSecond) / 1_000);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
