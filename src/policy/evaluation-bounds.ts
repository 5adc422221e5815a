import { BridgeError } from "../errors.ts";

/** What one evaluation may take. */
export interface EvaluationLimits {
  /** How long a decision's evaluations may run together, in milliseconds, the waits between them aside. */
  readonly timeoutMs: number;
  /** What an evaluation may take of the policy's memory beside the data, in bytes. */
  readonly maxMemoryBytes: number;
}

/** Steps between two looks at the clock: some 20 to 100 microseconds of ordinary work. */
const MOST_STEPS = 4_096;
/** Steps that took longer than this together, in milliseconds, are no ordinary ones: fewer are given out. */
const LONG_MS = 5;
/** How many times fewer, or more again. */
const SCALE = 8;

export const DEFAULT_LIMITS: EvaluationLimits = {
  timeoutMs: 1_000,
  maxMemoryBytes: 256 * 2 ** 20,
};

/** What evaluations of one decision have taken so far. */
export interface Spending {
  /** In milliseconds; those that were too short to be looked at are not counted. */
  spentMs: number;
  /** Told when the evaluation begins again: what it has done so far counts no more. */
  again?(): void;
}

/** What the bounds see of an instance. */
export interface Measured {
  /** Lets the module go on for so many steps. */
  giveSteps(steps: number): void;
  /** Where the module's heap ends now, in bytes from the start of memory. */
  heapEnd(): number;
}

/**
 * Ends an evaluation that takes too long or too much memory. The module asks after every few thousand steps (see
 * `meterWork`), and whoever answers its calls asks too. Outside of evaluations nothing is bounded.
 */
export class EvaluationBounds {
  readonly #limits: EvaluationLimits;
  readonly #measured: Measured;
  #spending: Spending | undefined;
  /** When the evaluation was first looked at, and when last. Looking when it begins would cost all the short ones. */
  #since = 0;
  #last = 0;
  #base = 0;
  #steps = MOST_STEPS;

  constructor(limits: EvaluationLimits, measured: Measured) {
    this.#limits = limits;
    this.#measured = measured;
  }

  /** An evaluation begins whose memory starts at `base`. */
  begin(base: number, spending: Spending): void {
    this.#spending = spending;
    this.#since = 0;
    this.#base = base;
  }

  end(): void {
    if (this.#spending !== undefined && this.#since !== 0) {
      this.#spending.spentMs += performance.now() - this.#since;
    }
    this.#spending = undefined;
  }

  /** Throws `EVALUATION_TIMEOUT` or `EVALUATION_MEMORY` when a bound is passed; otherwise the module may go on. */
  check(): void {
    if (this.#spending !== undefined) {
      const now = performance.now();
      if (this.#since === 0) this.#since = this.#last = now;
      this.#checkTime(now, this.#spending.spentMs + now - this.#since);
      this.#checkMemory();
    }
    this.#measured.giveSteps(this.#steps);
  }

  #checkTime(now: number, spentMs: number): void {
    const { timeoutMs } = this.#limits;
    if (spentMs > timeoutMs) {
      throw new BridgeError(
        "EVALUATION_TIMEOUT",
        `The policy's evaluation took longer than ${timeoutMs} ms and was ended; make the policy or its input smaller, or raise plugins.nats.evaluation_timeout.`,
      );
    }
    const long = now - this.#last > LONG_MS;
    this.#steps = long
      ? Math.max(1, this.#steps / SCALE)
      : Math.min(MOST_STEPS, this.#steps * SCALE);
    this.#last = now;
  }

  #checkMemory(): void {
    const { maxMemoryBytes } = this.#limits;
    if (this.#measured.heapEnd() - this.#base <= maxMemoryBytes) return;
    throw outOfMemory(`more than ${maxMemoryBytes} bytes`);
  }
}

/** An evaluation that needed more memory than it may have. */
export function outOfMemory(what: string, options?: { cause: unknown }): BridgeError {
  return new BridgeError(
    "EVALUATION_MEMORY",
    `The policy's evaluation needed ${what} of memory and was ended; make the policy or its input smaller, or raise plugins.nats.max_evaluation_memory.`,
    options,
  );
}

/** An evaluation that went too deep. */
export function tooDeep(cause: unknown): BridgeError {
  return new BridgeError(
    "EVALUATION_DEPTH",
    "The policy's evaluation went deeper than the stack is; let it work on values that are nested less deeply.",
    { cause },
  );
}
