/**
 * Drops what a consumer delivers a second time at the seam between its list of last values and what follows.
 *
 * A server first notes the stream's last sequence, from where it will go on, and then lists every key's last
 * message. What is stored between the two is in the list, and comes again after it, in order; with it come
 * messages that are older than what the list had. So a sequence below the highest one is news only if its key
 * has not been heard at that sequence or a later one.
 */
export class Overlap {
  readonly #from: number;
  readonly #heard = new Map<string, number>();
  #until = Infinity;

  /** `from` is the stream's last sequence before the consumer was made: nothing up to it can come twice. */
  constructor(from: number) {
    this.#from = from;
  }

  /** The stream's last sequence after the consumer was made: what the list has is not above it. */
  endsAt(sequence: number): void {
    this.#until = Math.min(this.#until, sequence);
  }

  /** Whether a message with this sequence is past all that can come twice. */
  isOver(sequence: number): boolean {
    return sequence > this.#until;
  }

  /** Whether a message with this sequence may come after one with a higher sequence. */
  allows(sequence: number): boolean {
    return sequence > this.#from;
  }

  /** Whether the message is new for its key; remembers that it has been heard. */
  isNews(key: string, sequence: number): boolean {
    if (sequence <= this.#from) return true;
    if (sequence <= (this.#heard.get(key) ?? 0)) return false;
    this.#heard.set(key, sequence);
    return true;
  }
}
