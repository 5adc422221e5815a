/** What the server says of a delivered message in its reply subject. */
export interface Delivery {
  /** The message's sequence in the stream. */
  readonly sequence: number;
  /** How many messages the consumer has delivered, this one included. */
  readonly delivered: number;
  /** How many more the consumer has to deliver. */
  readonly pending: number;
  readonly timestampMs: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<time>.<pending>`, or the longer form
 * with domain and account hash before the stream (ADR-15). NaN where there is no such number.
 */
export function parseAckSubject(subject: string): Delivery {
  const tokens = subject.split(".");
  const first = tokens.length > 9 ? 7 : 5;
  return {
    sequence: Number(tokens[first]),
    delivered: Number(tokens[first + 1]),
    // Nanoseconds don't fit a number; the last six digits are less than a millisecond.
    timestampMs: Number(tokens[first + 2]?.slice(0, -6)),
    pending: Number(tokens[first + 3]),
  };
}
