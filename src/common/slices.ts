import { setImmediate as nextTurn } from "node:timers/promises";

/** A share of a turn for one piece of work, while others wait too, in milliseconds. */
const SHARE_MS = 0.1;

/**
 * Long work in small slices: all of it together keeps the event loop no longer than one slice in each turn, so
 * that decisions and input are never far away. Those who have work take turns.
 */
export class Slices {
  readonly #sliceMs: number;
  readonly #works: ((end: number) => void)[] = [];
  #running = false;

  /** How long one slice may keep the event loop, in milliseconds. A decision takes some 0.02. */
  constructor(sliceMs: number = 0.3) {
    this.#sliceMs = sliceMs;
  }

  /**
   * Calls `work` again and again, never at once, until it answers true. It should come back soon after
   * `performance.now()` has passed `end`. Rejects with what it throws.
   */
  run(work: (end: number) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (end: number): void => {
        try {
          if (work(end)) resolve();
          else this.#works.push(step);
        } catch (error) {
          reject(error);
        }
      };
      this.#works.push(step);
      if (!this.#running) void this.#run();
    });
  }

  /** Runs a generator to its end; it may rest wherever it yields. Rejects with what it throws. */
  async finish<T>(steps: Iterator<undefined, T>): Promise<T> {
    let step: IteratorResult<undefined, T> | undefined;
    await this.run((end) => {
      do step = steps.next();
      while (step.done !== true && performance.now() < end);
      return step.done === true;
    });
    return step!.value as T;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#works.length > 0) {
      await nextTurn();
      let now = performance.now();
      const end = now + this.#sliceMs;
      for (let work = this.#works.shift(); work !== undefined; work = this.#works.shift()) {
        work(this.#works.length === 0 ? end : Math.min(end, now + SHARE_MS));
        now = performance.now();
        if (now >= end) break;
      }
    }
    this.#running = false;
  }
}

/** The process has one event loop, and so one of these. */
export const slices: Slices = new Slices();
