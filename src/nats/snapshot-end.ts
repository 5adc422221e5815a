/** How many times the stream's last sequence is caught up with where the server never says that nothing is pending. */
const ROUNDS = 20;

/**
 * Tells when a snapshot has ended: when every key that existed at its start has been handed over.
 *
 * A key that is overwritten while the server delivers arrives only at its new revision, so neither the number
 * of messages announced at the start nor the last sequence of that moment is the end. Instead: (1) wait until
 * the stream's last sequence, asked after the consumer was made, is reached; (2) wait until the server has
 * nothing behind what it has just delivered; (3) ask for the last sequence again, and wait for that.
 *
 * Old servers (seen with 2.9) lose count of what is pending while messages are overwritten, and then never say
 * that it's nothing. There the last sequence is asked for, and reached, many times: a key is missed only if it
 * was overwritten just ahead of the server's reading in every round.
 */
export class SnapshotEnd {
  readonly #askLast: () => Promise<number>;
  readonly #onEnd: (revision: number) => void;
  readonly #onError: (error: unknown) => void;
  #position = 0;
  #pending = -1;
  #target = Infinity;
  #rounds = 0;
  #caughtUp = false;
  #over = false;

  /** `askLast` answers the stream's last sequence; its errors go to `onError`. */
  constructor(
    askLast: () => Promise<number>,
    onEnd: (revision: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.#askLast = askLast;
    this.#onEnd = onEnd;
    this.#onError = onError;
  }

  /** To be called when the consumer has been made. */
  begin(): void {
    this.#askLast()
      .then((last) => {
        this.#target = last;
        this.#check();
      })
      .catch((error: unknown) => this.#onError(error));
  }

  /** The server has delivered all it has up to this sequence, and had `pending` messages behind it. */
  reached(position: number, pending: number): void {
    this.#position = position;
    this.#pending = pending;
    if (position >= this.#target) this.#check();
  }

  #check(): void {
    if (this.#over || this.#position < this.#target) return;
    if (this.#caughtUp || this.#rounds >= ROUNDS) {
      this.#over = true;
      this.#onEnd(this.#position);
      return;
    }
    this.#caughtUp = this.#pending === 0;
    this.#rounds++;
    this.#target = Infinity;
    this.begin();
  }
}
