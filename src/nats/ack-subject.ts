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

const PREFIX = "$JS.ACK.";
const NANOSECOND_DIGITS = 6;

/** Whether a reply subject belongs to a message of a stream, and not to the server's own control messages. */
export function isAckSubject(subject: string): boolean {
  return subject.startsWith(PREFIX);
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<time>.<pending>`, or the longer form
 * with domain and account hash before the stream (ADR-15). `undefined` for anything else.
 */
export function parseAckSubject(subject: string): Delivery | undefined {
  if (!isAckSubject(subject)) return undefined;
  // By hand rather than with split(): this runs once per message of every load.
  let tokens = 1;
  for (let dot = subject.indexOf("."); dot >= 0; dot = subject.indexOf(".", dot + 1)) tokens++;
  if (tokens < 9) return undefined;
  let at = 0;
  for (let skip = tokens > 9 ? 7 : 5; skip > 0; skip--) at = subject.indexOf(".", at) + 1;
  const sequenceEnd = subject.indexOf(".", at);
  const deliveredEnd = subject.indexOf(".", sequenceEnd + 1);
  const timeEnd = subject.indexOf(".", deliveredEnd + 1);
  let pendingEnd = subject.indexOf(".", timeEnd + 1);
  if (pendingEnd < 0) pendingEnd = subject.length;
  const sequence = digits(subject, at, sequenceEnd);
  const delivered = digits(subject, sequenceEnd + 1, deliveredEnd);
  // Nanoseconds don't fit a number; the last six digits are less than a millisecond.
  const timestampMs = digits(subject, deliveredEnd + 1, timeEnd - NANOSECOND_DIGITS);
  const pending = digits(subject, timeEnd + 1, pendingEnd);
  if (sequence < 0 || delivered < 0 || timestampMs < 0 || pending < 0) return undefined;
  return { sequence, delivered, pending, timestampMs };
}

/** The decimal number from `start` to `end`, or -1 where there is none. */
function digits(text: string, start: number, end: number): number {
  if (start >= end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
