import { EXPIRY_MS } from "./promises.ts";

/** What a key holds: the number of the write that put it there, or null for nothing. */
export type Value = number | null;

/** A value that was, or may have been, true from one moment to another (`performance.now()`). */
interface Truth {
  /** Undefined: any. */
  readonly value: Value | undefined;
  readonly from: number;
  to: number;
  /** Made by the same write, as a value and its expiry are. */
  readonly write: object;
  /** When it ends by itself at the latest, whatever else happens. */
  expires: number;
  /** When it may end by itself at the earliest. */
  readonly mayExpire: number;
  /** Asked of NATS, which has not answered: it may still come true. */
  unsure: boolean;
}

/** A change that was asked of NATS. Until it is settled, both the old and the new value may be true. */
export interface PendingChange {
  /** NATS has said yes: from now on nothing else is true. */
  acknowledged(): void;
  /** NATS has said no: it never was true. */
  rejected(): void;
  /** NATS has not answered, and it may come true even now. */
  unanswered(): void;
}

/** What the oracle is asked: whether an answer was true at any time in between. */
export interface Question {
  readonly since: number;
  readonly asked: number;
  readonly answered: number;
}

/** How long a write may take that NATS acknowledges. */
const REQUEST_MS = 1_000;
/** How long what is no longer true is remembered. */
export const REMEMBERED_MS = 120_000;

/** What was true of one key, and when. */
class KeyHistory {
  #truths: Truth[] = [
    {
      value: null,
      from: -Infinity,
      to: Infinity,
      write: {},
      expires: Infinity,
      mayExpire: Infinity,
      unsure: false,
    },
  ];

  begin(value: Value | undefined, lifeMs: number): PendingChange {
    const from = performance.now();
    // Until NATS has answered it may be stored, and begin to age.
    const expires = from + REQUEST_MS + lifeMs;
    const own = this.#add(value, from, expires, from + lifeMs - EXPIRY_MS);
    return {
      acknowledged: () => this.#settle(own),
      rejected: () => {
        this.#truths = this.#truths.filter((other) => !own.includes(other));
      },
      unanswered: () => {
        for (const mine of own) {
          mine.unsure = true;
          // Nobody knows when it is stored, if it is.
          mine.expires = Infinity;
        }
      },
    };
  }

  /** NATS says that this is true now; what it has brought back has been true since `restored`. */
  observed(value: Value, restored: number | undefined): void {
    const now = performance.now();
    if (value === null && restored !== undefined) this.#endedUnseen(restored, now);
    const open = this.#truths.filter((truth) => truth.value === value && truth.to > now);
    if (open.length === 0) this.#settle(this.#back(value, restored ?? now));
    else this.#settle(this.#truths.filter((truth) => truth.unsure || sameWrite(truth, open)));
  }

  allows(value: Value, { since, asked, answered }: Question): boolean {
    return this.#truths.some((truth) => {
      if (truth.from > answered || truth.to < since) return false;
      // Who has not heard of a later value ends the one that it has on time.
      if (value === null && truth.mayExpire <= answered) return true;
      return (
        (truth.value === value || truth.value === undefined) && truth.expires >= asked - EXPIRY_MS
      );
    });
  }

  describe(now: number): string {
    const at = (time: number): string =>
      Number.isFinite(time) ? `${Math.round(time - now)} ms` : "…";
    return this.#truths
      .slice(-6)
      .map(({ value, from, to, expires }) => {
        const ends = expires < to ? `, expires ${at(expires)}` : "";
        return `${value === undefined ? "anything" : value} [${at(from)} to ${at(to)}${ends}]`;
      })
      .join(", ");
  }

  #add(value: Value | undefined, from: number, expires: number, mayExpire: number): Truth[] {
    const truth = { value, from, to: Infinity, write: {}, expires, mayExpire, unsure: false };
    const never = { expires: Infinity, mayExpire: Infinity };
    const expired = { ...truth, value: null, from: mayExpire, ...never };
    const own = mayExpire === Infinity ? [truth] : [truth, expired];
    this.#truths.push(...own);
    return own;
  }

  /** An earlier value is back. It ends when it would have ended. */
  #back(value: Value, from: number): Truth[] {
    const earlier = this.#truths.findLast((truth) => value !== null && truth.value === value);
    return this.#add(value, from, earlier?.expires ?? Infinity, earlier?.mayExpire ?? Infinity);
  }

  /** An earlier value may have been back, and have ended by itself before NATS was asked. */
  #endedUnseen(from: number, to: number): void {
    const ended = this.#truths.filter((truth) => truth.mayExpire <= to && truth.expires >= from);
    const once = new Map(ended.map((truth) => [truth.write, { ...truth, from, to }]));
    this.#truths.unshift(...once.values());
  }

  /** Nothing but these is true from now on. */
  #settle(settled: readonly Truth[]): void {
    const now = performance.now();
    for (const truth of this.#truths) {
      if (!settled.includes(truth)) truth.to = Math.min(truth.to, now);
    }
    this.#truths = this.#truths.filter(
      (truth) => truth.to >= truth.from && truth.to > now - REMEMBERED_MS,
    );
  }
}

function sameWrite(truth: Truth, others: readonly Truth[]): boolean {
  return others.some(({ write }) => write === truth.write);
}

/** The history of every key of every bucket, as NATS has acknowledged it. */
export class Oracle {
  readonly #histories = new Map<string, KeyHistory>();

  /** A change that is asked of NATS now; it ends by itself `lifeMs` after NATS has stored it. */
  begin(bucket: string, key: string, value: Value, lifeMs: number = Infinity): PendingChange {
    return this.#history(bucket, key).begin(value, lifeMs);
  }

  /** Until NATS is asked, this key may hold anything. */
  anything(bucket: string, key: string): void {
    this.#history(bucket, key).begin(undefined, Infinity);
  }

  /** NATS was asked, and says that this is true now; it may have brought values back when it was `restored`. */
  observed(bucket: string, key: string, value: Value, restored?: number): void {
    this.#history(bucket, key).observed(value, restored);
  }

  /** As {@link begin}, for several keys that change at once. */
  beginAll(bucket: string, keys: Iterable<string>, value: Value): PendingChange {
    const changes = Array.from(keys, (key) => this.begin(bucket, key, value));
    return {
      acknowledged: () => changes.forEach((change) => change.acknowledged()),
      rejected: () => changes.forEach((change) => change.rejected()),
      unanswered: () => changes.forEach((change) => change.unanswered()),
    };
  }

  allows(bucket: string, key: string, value: Value, question: Question): boolean {
    return this.#history(bucket, key).allows(value, question);
  }

  describe(bucket: string, key: string, now: number): string {
    return this.#history(bucket, key).describe(now);
  }

  #history(bucket: string, key: string): KeyHistory {
    const name = `${bucket} ${key}`;
    let history = this.#histories.get(name);
    if (history === undefined) {
      history = new KeyHistory();
      this.#histories.set(name, history);
    }
    return history;
  }
}
