import type { Clock } from "../../../../src/watch/clock.ts";

interface Timer {
  at: number;
  readonly everyMs: number | undefined;
  readonly call: () => void;
}

/** Time that moves only when told to. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = 1;
  /** What the machine's clock is ahead of this one. */
  epochAheadMs = 0;

  now(): number {
    return this.#now;
  }

  epochMs(): number {
    return this.#now + this.epochAheadMs;
  }

  after(ms: number, call: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: undefined, call });
  }

  every(ms: number, call: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: ms, call });
  }

  random(): number {
    return 0.5;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, and calls what is due on the way, in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > until) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.at += next.everyMs;
      next.call();
    }
    this.#now = until;
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
}
