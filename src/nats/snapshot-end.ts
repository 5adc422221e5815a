/**
 * Tells when a snapshot has ended: when every key that existed at its start has been handed over.
 *
 * A key that is overwritten while the server delivers arrives only at its new revision, so neither the number
 * of messages announced at the start nor the last sequence of that moment is the end. Instead: (1) wait until
 * the stream's last sequence, asked after the consumer was made, is reached; (2) wait until the server has
 * nothing behind what it has just delivered; (3) ask for the last sequence again, and wait for that, because
 * the server's count of what is pending may be off while messages are overwritten.
 */
export class SnapshotEnd {
  readonly #askLast: () => Promise<number>;
  readonly #onEnd: (revision: number) => void;
  readonly #onError: (error: unknown) => void;
  #position = 0;
  #pending = -1;
  #target = Infinity;
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
    if (this.#caughtUp) {
      this.#over = true;
      this.#onEnd(this.#position);
    } else if (this.#pending === 0) {
      this.#caughtUp = true;
      this.#target = Infinity;
      this.begin();
    }
  }
}
