import type { BridgeError } from "../errors.ts";
import type { BuiltinAnswers } from "./builtin-answers.ts";
import type { Value } from "./builtins/value.ts";
import { Prints } from "./prints.ts";

/** Says that an evaluation needs something which is not there yet; it is made again once that is settled. */
export class Suspension extends Error {
  /** For messages, such as `bucket "b"`. */
  readonly what: string;
  /** Resolves when it is there, or is known not to be had; rejects with what ends the decision. */
  readonly settle: () => Promise<void>;

  constructor(what: string, settle: () => Promise<void>) {
    super(`waiting for ${what}`);
    this.what = what;
    this.settle = settle;
  }
}

const NO_BUCKETS: ReadonlySet<string> = new Set();

/**
 * What one decision knows while it is made. It may be evaluated several times; answers that may not change
 * within a query are kept here, and the buckets that it uses stay loaded while it waits.
 */
export class Query {
  readonly strict: boolean;
  /** Where builtins that are not deterministic note what they answer; undefined: nowhere. */
  readonly builtinAnswers: BuiltinAnswers | undefined;
  /** How long its evaluations have taken together, in milliseconds, as far as they were looked at. */
  spentMs = 0;
  // Most decisions need few of these.
  #answers: Map<string, string | undefined> | undefined;
  #prints: Prints | undefined;
  #outcomes: Map<string, () => Value> | undefined;
  #unavailable: Map<string, BridgeError> | undefined;
  #asked: Set<string> | undefined;
  #held: Set<string> | undefined;
  #pins: Map<string, () => void> | undefined;
  #now: bigint | undefined;
  #suspension: Suspension | undefined;
  #failure: { readonly builtin: string; readonly message: string } | undefined;

  constructor(strict: boolean, builtinAnswers?: BuiltinAnswers) {
    this.strict = strict;
    this.builtinAnswers = builtinAnswers;
  }

  /** To be called before each evaluation. */
  begin(): void {
    this.#suspension = undefined;
    this.#failure = undefined;
    this.builtinAnswers?.clear();
    this.#prints?.clear();
  }

  /** The evaluation begins again, and prints everything again. */
  again(): void {
    this.#prints?.clear();
  }

  /** What the evaluation prints. */
  get prints(): Prints {
    return (this.#prints ??= new Prints());
  }

  /** What it has printed, in order; once. */
  takePrints(): readonly string[] {
    return this.#prints?.take() ?? [];
  }

  /** The time of the whole query, in nanoseconds since 1970. */
  get now(): bigint {
    return (this.#now ??= BigInt(Date.now()) * 1_000_000n);
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
    const answers = (this.#answers ??= new Map());
    if (answers.has(question)) return answers.get(question);
    const answer = ask();
    answers.set(question, answer);
    return answer;
  }

  /** Gives what a question was answered, or throws what came of it; undefined where it has not been settled. */
  outcome(question: string): (() => Value) | undefined {
    return this.#outcomes?.get(question);
  }

  settle(question: string, outcome: () => Value): void {
    (this.#outcomes ??= new Map()).set(question, outcome);
  }

  /** The buckets that the policy has asked for. */
  get asked(): ReadonlySet<string> {
    return this.#asked ?? NO_BUCKETS;
  }

  /** Notes that the policy has asked for a bucket. */
  ask(bucket: string): void {
    (this.#asked ??= new Set()).add(bucket);
  }

  /** Notes that the policy needs a bucket until the query ends. */
  hold(bucket: string): void {
    this.ask(bucket);
    (this.#held ??= new Set()).add(bucket);
  }

  /** To be called before it waits, as nothing is evicted under an evaluation: keeps loaded what it needs, to its end. */
  pin(pin: (bucket: string) => () => void): void {
    const pins = (this.#pins ??= new Map());
    for (const bucket of this.#held ?? []) if (!pins.has(bucket)) pins.set(bucket, pin(bucket));
  }

  /** Notes that a bucket can't be had for this query, and why. */
  giveUp(bucket: string, reason: BridgeError): void {
    (this.#unavailable ??= new Map()).set(bucket, reason);
  }

  /** Why a bucket can't be had for this query. */
  unavailable(bucket: string): BridgeError | undefined {
    return this.#unavailable?.get(bucket);
  }

  end(): void {
    for (const release of this.#pins?.values() ?? []) release();
    this.#pins = undefined;
  }
}
