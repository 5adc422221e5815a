/** How long after something was left out the stream's last sequence is asked for at first, in milliseconds. */
const LEAST_PAUSE_MS = 20;
/** And in the end, where questions follow each other; also after one that has failed. */
const MOST_PAUSE_MS = 1_000;

/**
 * Tells up to which revision what a stream has handed over is whole.
 *
 * Where a key is written again before the server has delivered its earlier message, that message is never
 * delivered: the sequence jumps. What takes its place is in the stream by then, so once the stream's last sequence,
 * asked for after the jump, is reached without another jump since, everything up to there has been heard. With
 * another jump it may be the successor that was left out, and the question is asked again: one at a time, each after
 * twice the pause where keys are written so fast all the time, and while nothing is left out none. What the server says is pending proves nothing, for it counts by signals that may
 * come later than what they tell of.
 *
 * In a snapshot the sequence jumps everywhere, and its end asks for the last sequence by itself ({@link ask}); only
 * what is left out after the last of those questions matters.
 */
export class LeftOut {
  readonly #askLast: () => Promise<number>;
  readonly #onWhole: (revision: number) => void;
  readonly #clock: Clock;
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
  #pauseMs = LEAST_PAUSE_MS;
  #stopped = false;
  #cancel = (): void => undefined;

  /**
   * `askLast` answers the stream's last sequence; where it fails it is asked again. `onWhole` is told up to which
   * revision all is whole from now on, and Infinity when that is as far as the stream has come again.
   */
  constructor(
    askLast: () => Promise<number>,
    onWhole: (revision: number) => void,
    clock: Clock = ownClock,
  ) {
    this.#askLast = askLast;
    this.#onWhole = onWhole;
    this.#clock = clock;
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
    this.#cancel();
  }

  #jump(whole: number): void {
    this.#jumped = true;
    if (this.#loading) return;
    this.#target = Infinity;
    if (whole < this.#whole) this.#tell(whole);
    this.#askSoon();
  }

  #tell(whole: number): void {
    this.#whole = whole;
    if (!this.#stopped) this.#onWhole(whole);
  }

  #askSoon(): void {
    if (this.#asking || this.#stopped) return;
    this.#asking = true;
    const recent = this.#clock.now() - this.#askedAt < 2 * MOST_PAUSE_MS;
    this.#pauseMs = recent ? Math.min(this.#pauseMs * 2, MOST_PAUSE_MS) : LEAST_PAUSE_MS;
    this.#askAfter(this.#pauseMs);
  }

  #askAfter(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      this.#askedAt = this.#clock.now();
      this.ask().then(
        (last) => this.#answered(last),
        () => {
          if (!this.#stopped) this.#askAfter(MOST_PAUSE_MS);
        },
      );
    });
  }

  #answered(last: number): void {
    this.#asking = false;
    if (this.#stopped) return;
    if (this.#jumped) this.#askSoon();
    else {
      this.#target = last;
      this.handedOver();
    }
  }
}

interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Calls once, after so many milliseconds; the answer calls it off. */
  after(ms: number, call: () => void): () => void;
}

const ownClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};
