/**
 * Lets jobs run one after the other, in order, a short slice at a time: however many readers have something to
 * do at once, decisions come between them.
 */
export class Turns {
  readonly #schedule: (call: () => void) => void;
  readonly #sliceMs: number;
  #queue: (() => void)[] = [];
  #scheduled = false;

  /** `schedule` calls later, after what else is waiting (default: `setImmediate`). */
  constructor(
    schedule: (call: () => void) => void = (call) => void setImmediate(call),
    sliceMs = 1,
  ) {
    this.#schedule = schedule;
    this.#sliceMs = sliceMs;
  }

  /** Resolves with what the job answers, once it was its turn. */
  take<T>(job: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queue.push(() => {
        try {
          resolve(job());
        } catch (error) {
          reject(error);
        }
      });
      this.#scheduleSlice();
    });
  }

  #scheduleSlice(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#slice());
  }

  #slice(): void {
    this.#scheduled = false;
    const end = performance.now() + this.#sliceMs;
    let next = 0;
    while (next < this.#queue.length) {
      this.#queue[next++]!();
      if (performance.now() >= end) break;
    }
    this.#queue = this.#queue.slice(next);
    if (this.#queue.length > 0) this.#scheduleSlice();
  }
}
