/** How long after one question the next one is asked at the earliest, in milliseconds. */
const PAUSE_MS = 20;

/**
 * Tells up to which revision what a stream has handed over is whole.
 *
 * Where a key is written again before the server has delivered its earlier message, that message is never
 * delivered: the sequence jumps. What takes its place is in the stream by then, so once the stream's last sequence,
 * asked for after the jump, is reached without another jump since, everything up to there has been heard. With
 * another jump it may be the successor that was left out, and the question is to be asked again. It is asked only
 * while somebody waits ({@link prove}): keys may be written so all the time, and every bridge would ask. What the
 * server says is pending proves nothing, for it counts by signals that may come later than what they tell of.
 *
 * In a snapshot the sequence jumps everywhere, and its end asks for the last sequence by itself ({@link ask}); only
 * what is left out after the last of those questions matters.
 */
export class LeftOut {
  readonly #askLast: () => Promise<number>;
  readonly #onWhole: (revision: number) => void;
  readonly #now: () => number;
  #loading = true;
  #place = 0;
  /** Whether something was left out since the last question was asked. */
  #jumped = false;
  /** What was told last. */
  #whole = Infinity;
  /** The answer that proves that all is whole again, once it is reached. */
  #target = Infinity;
  #asking = false;
  #askedAt = -Infinity;
  #stopped = false;

  /**
   * `askLast` answers the stream's last sequence. `onWhole` is told up to which revision all is whole from now on,
   * and Infinity when that is as far as the stream has come again.
   */
  constructor(
    askLast: () => Promise<number>,
    onWhole: (revision: number) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#askLast = askLast;
    this.#onWhole = onWhole;
    this.#now = now;
  }

  /** Asks for the stream's last sequence. */
  ask(): Promise<number> {
    this.#jumped = false;
    return this.#askLast();
  }

  /** The stream begins after this sequence; nothing up to it is missing. */
  begins(after: number): void {
    this.#place = after;
  }

  /** A message comes; to be told before it is handed over. */
  comes(sequence: number): void {
    // Behind a list of last values a stream may go back.
    if (sequence !== this.#place + 1) this.#jump(sequence > this.#place ? this.#place : 0);
    this.#place = sequence;
  }

  /** Nothing more is there up to this sequence; to be told before anybody hears of it. */
  idles(position: number): void {
    if (position <= this.#place) return;
    this.#jump(this.#place);
    this.#place = position;
  }

  /** Everything that came has been handed over. */
  handedOver(): void {
    if (this.#place < this.#target) return;
    this.#target = Infinity;
    this.#tell(Infinity);
  }

  /** The snapshot has ended; to be told before anybody hears of it. */
  loaded(): void {
    this.#loading = false;
    // A key's last message in the snapshot may have been left out, and with it the key.
    if (this.#jumped) this.#jump(0);
  }

  /** Nothing is asked or told any more. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * To be called again and again while somebody waits for what was left out: asks for the stream's last sequence,
   * where something was, one question at a time.
   */
  prove(): void {
    if (this.#whole === Infinity || this.#target !== Infinity || this.#asking) return;
    const now = this.#now();
    if (this.#stopped || now - this.#askedAt < PAUSE_MS) return;
    this.#asking = true;
    this.#askedAt = now;
    const place = this.#place;
    this.ask().then(
      (last) => this.#answered(last, place),
      () => (this.#asking = false),
    );
  }

  #jump(whole: number): void {
    this.#jumped = true;
    if (this.#loading) return;
    this.#target = Infinity;
    if (whole < this.#whole) this.#tell(whole);
  }

  #tell(whole: number): void {
    this.#whole = whole;
    if (!this.#stopped) this.#onWhole(whole);
  }

  #answered(last: number, place: number): void {
    this.#asking = false;
    // A server that has been left behind may not know of what was there when it was asked.
    if (this.#stopped || this.#jumped || last < place) return;
    this.#target = last;
    this.handedOver();
  }
}
