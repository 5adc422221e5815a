import type { Clock } from "nats-opa-bridge";

/** The machine's clock, except that its time of day can be set wrong. */
export class MovableClock implements Clock {
  #offsetMs = 0;
  /** From when on the time of day is right, and what followed from its being wrong has been repaired. */
  #rightFrom = -Infinity;

  /** Sets the time of day wrong by so much. The answer sets it right; `recoveryMs` later all must be well. */
  set(offsetMs: number): (recoveryMs: number) => void {
    this.#offsetMs = offsetMs;
    this.#rightFrom = Infinity;
    return (recoveryMs) => {
      this.#offsetMs = 0;
      this.#rightFrom = this.now() + recoveryMs;
    };
  }

  /** Whether what expires can't be known to be right at a moment. */
  isWrongAt(time: number): boolean {
    return time < this.#rightFrom;
  }

  now(): number {
    return performance.now();
  }

  epochMs(): number {
    return Date.now() + this.#offsetMs;
  }

  after(ms: number, call: () => void): () => void {
    const timer = setTimeout(call, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  }

  every(ms: number, call: () => void): () => void {
    const timer = setInterval(call, Math.min(ms, 2 ** 31 - 1)).unref();
    return () => clearInterval(timer);
  }

  random(): number {
    return Math.random();
  }
}
