import { Backoff } from "../common/backoff.ts";
import { limitedSignal } from "../common/limited-signal.ts";

export interface RecoveryOptions {
  /** One attempt: resolves when there is a connection, rejects with why there is none. */
  readonly attempt: (signal: AbortSignal) => Promise<void>;
  /** Failures in a row before giving up; -1: never give up. */
  readonly maxFailures: number;
  /** The base of the first wait, in milliseconds. */
  readonly minWaitMs: number;
  /** No wait is longer, in milliseconds. */
  readonly maxWaitMs: number;
  /** Told of every failure, and how long it is waited after it, in milliseconds. */
  readonly onFailure: (error: unknown, waitMs: number) => void;
  /** Told once, in the place of `onFailure`, when the failures are too many. Never after `stop()`. */
  readonly onGiveUp: (error: unknown) => void;
  /** Resolves when there is no reason to wait any longer. Default: never. */
  readonly wake?: (signal: AbortSignal) => Promise<void>;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Attempts until one succeeds, with a wait after each failure. One attempt at a time, whoever asks, and one timer:
 * a loss that comes while a recovery is under way makes it run exactly once more.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #attempting: Promise<boolean> | undefined;
  #looping = false;
  #wanted = false;
  #waitMs = 0;

  constructor(options: RecoveryOptions) {
    const { minWaitMs, maxWaitMs, random } = options;
    this.#options = options;
    this.#backoff = new Backoff({
      minMs: minWaitMs,
      maxMs: maxWaitMs,
      ...(random !== undefined && { random }),
    });
  }

  /** Failures since the last sustained success. */
  get failures(): number {
    return this.#backoff.failures;
  }

  /** There is no connection yet, and there shall be one. */
  begin(): void {
    this.#wanted = true;
    if (!this.#looping) void this.#loop();
  }

  /**
   * The connection is lost. One that was not `sustained` counts as a failure, so that what connects and closes
   * over and over is slowed down, and spends the budget, as what never connects does.
   */
  lost(reason: unknown, sustained: boolean): void {
    if (this.#stop.signal.aborted) return;
    if (sustained) this.#backoff.reset();
    if (this.#options.maxFailures === 0) this.#giveUp(reason);
    else if (!sustained) this.#failed(reason);
    this.begin();
  }

  /** One attempt, now; the one that is under way, if there is one. Never rejects: whether it succeeded. */
  step(): Promise<boolean> {
    this.#attempting ??= this.#attempt().finally(() => {
      this.#attempting = undefined;
    });
    return this.#attempting;
  }

  /** Ends it: no further attempt is made, and nobody is told anything. Safe in any state, any number of times. */
  stop(): void {
    this.#stop.abort();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    this.#looping = true;
    while (this.#wanted && !signal.aborted) {
      await this.#wait();
      if (signal.aborted) break;
      this.#wanted = false;
      if (!(await this.step())) this.#wanted = true;
    }
    this.#looping = false;
  }

  async #attempt(): Promise<boolean> {
    const { signal } = this.#stop;
    if (signal.aborted) return false;
    try {
      await this.#options.attempt(signal);
      return true;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    const { maxFailures } = this.#options;
    this.#waitMs = Math.round(this.#backoff.next());
    if (maxFailures !== -1 && this.#backoff.failures >= maxFailures) this.#giveUp(error);
    else this.#options.onFailure(error, this.#waitMs);
  }

  #giveUp(error: unknown): void {
    this.stop();
    this.#options.onGiveUp(error);
  }

  async #wait(): Promise<void> {
    const ms = this.#waitMs;
    this.#waitMs = 0;
    if (ms === 0) return;
    const over = limitedSignal(this.#stop.signal, ms);
    this.#options.wake?.(over.signal).then(
      () => over.abort(),
      () => undefined,
    );
    await aborted(over.signal);
    over.release();
  }
}
