import type { KeyChange } from "../store/bucket-document.ts";
import type { Clock } from "./clock.ts";
import type { Heard } from "./heard.ts";

/** Keys that are ended in one piece, so that many at once hold nobody up. */
const BATCH = 100;
/** The machine's clock may be set, so it's looked at this often. */
const MAX_WAIT_MS = 1_000;

/** Ends keys when their time has come, by one timer for all of them, whether or not there is a connection. */
export class ExpiryTimer {
  readonly #clock: Clock;
  readonly #remove: (expired: readonly KeyChange[]) => void;
  #heard: Heard | undefined;
  #cancel: (() => void) | undefined;
  /** The machine's time that the timer is set for. */
  #setFor = Infinity;

  constructor(clock: Clock, remove: (expired: readonly KeyChange[]) => void) {
    this.#clock = clock;
    this.#remove = remove;
  }

  /** Looks after what this stream has said from now on, until another takes its place. */
  follow(heard: Heard): void {
    this.#heard = heard;
    this.#run();
  }

  /** To be called when something was heard. */
  check(): void {
    if (this.#heard !== undefined && this.#heard.nextExpiry < this.#setFor) this.#set();
  }

  stop(): void {
    this.#heard = undefined;
    this.#cancel?.();
  }

  #run(): void {
    const expired = this.#heard?.expire(BATCH) ?? [];
    if (expired.length > 0) this.#remove(expired);
    this.#set();
  }

  #set(): void {
    this.#cancel?.();
    this.#setFor = this.#heard?.nextExpiry ?? Infinity;
    if (this.#setFor === Infinity) return;
    // Never at once: what has been removed is committed first.
    const waitMs = Math.max(1, Math.min(this.#setFor - this.#clock.epochMs(), MAX_WAIT_MS));
    this.#cancel = this.#clock.after(waitMs, () => this.#run());
  }
}
