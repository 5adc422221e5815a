import type { BridgeError } from "../errors.ts";

/** Says that an evaluation needs a bucket which is not loaded yet; it is made again once that is settled. */
export class Suspension extends Error {
  readonly bucket: string;

  constructor(bucket: string) {
    super(`waiting for bucket ${bucket}`);
    this.bucket = bucket;
  }
}

/**
 * What one decision knows while it is made. It may be evaluated several times; answers that may not change
 * within a query are kept here, and the buckets that it uses stay loaded until it ends.
 */
export class Query {
  readonly strict: boolean;
  readonly #answers = new Map<string, string | undefined>();
  readonly #unavailable = new Map<string, BridgeError>();
  readonly #pins = new Map<string, () => void>();
  #suspension: Suspension | undefined;
  #failure: { readonly builtin: string; readonly message: string } | undefined;

  constructor(strict: boolean) {
    this.strict = strict;
  }

  /** To be called before each evaluation. */
  begin(): void {
    this.#suspension = undefined;
    this.#failure = undefined;
  }

  /** What the evaluation waits for. */
  get suspension(): Suspension | undefined {
    return this.#suspension;
  }

  /** The first builtin that failed, which is the decision's error when `strict`. */
  get failure(): { readonly builtin: string; readonly message: string } | undefined {
    return this.#failure;
  }

  /** Whether the evaluation's result is known not to count. */
  get isOver(): boolean {
    return this.#suspension !== undefined || (this.strict && this.#failure !== undefined);
  }

  suspend(suspension: Suspension): void {
    this.#suspension ??= suspension;
  }

  fail(builtin: string, message: string): void {
    this.#failure ??= { builtin, message };
  }

  /** The answer that this question got first in this query. */
  once(question: string, ask: () => string | undefined): string | undefined {
    if (this.#answers.has(question)) return this.#answers.get(question);
    const answer = ask();
    this.#answers.set(question, answer);
    return answer;
  }

  /** Keeps a bucket loaded until the query ends. */
  hold(bucket: string, pin: (bucket: string) => () => void): void {
    if (!this.#pins.has(bucket)) this.#pins.set(bucket, pin(bucket));
  }

  /** Notes that a bucket can't be had for this query, and why. */
  giveUp(bucket: string, reason: BridgeError): void {
    this.#unavailable.set(bucket, reason);
  }

  /** Why a bucket can't be had for this query. */
  unavailable(bucket: string): BridgeError | undefined {
    return this.#unavailable.get(bucket);
  }

  end(): void {
    for (const release of this.#pins.values()) release();
    this.#pins.clear();
  }
}
