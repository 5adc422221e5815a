import { decimal } from "./decimal.ts";

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
const PREFIX_BYTES: Uint8Array = Buffer.from(PREFIX);
const NANOSECOND_DIGITS = 6;
const DOT = 46;
/** Tokens before the stream sequence: in the first form, and where a domain and an account come first. */
const SHORT_FORM = 5;
const LONG_FORM = 7;
const SHORT_FORM_TOKENS = 9;

/** Whether a reply subject belongs to a message of a stream, and not to the server's own control messages. */
export function isAckSubject(subject: string): boolean {
  return subject.startsWith(PREFIX);
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<time>.<pending>`, or the longer form
 * with domain and account hash before the stream (ADR-15). `undefined` for anything else.
 */
export function parseAckSubject(subject: string): Delivery | undefined {
  const bytes = Buffer.from(subject);
  return readAckSubject(bytes, 0, bytes.length);
}

// Where the dots of the subject being read are; by hand and in place, as this runs once per message of every load.
const dots = new Int32Array(16);

/** The same for a subject that lies in `bytes`, from `start` to `end`. */
export function readAckSubject(
  bytes: Uint8Array,
  start: number,
  end: number,
): Delivery | undefined {
  for (let index = 0; index < PREFIX_BYTES.length; index++) {
    if (bytes[start + index] !== PREFIX_BYTES[index]) return undefined;
  }
  let count = 0;
  for (let at = start; at < end; at++) {
    if (bytes[at] === DOT && count < dots.length) dots[count++] = at;
  }
  if (count + 1 < SHORT_FORM_TOKENS) return undefined;
  const first = (count + 1 > SHORT_FORM_TOKENS ? LONG_FORM : SHORT_FORM) - 1;
  const after = (token: number): number => (first + token < count ? dots[first + token]! : end);
  const sequence = decimal(bytes, after(0) + 1, after(1));
  const delivered = decimal(bytes, after(1) + 1, after(2));
  // Nanoseconds don't fit a number; the last six digits are less than a millisecond.
  const timestampMs = decimal(bytes, after(2) + 1, after(3) - NANOSECOND_DIGITS);
  const pending = decimal(bytes, after(3) + 1, after(4));
  if (sequence < 0 || delivered < 0 || timestampMs < 0 || pending < 0) return undefined;
  return { sequence, delivered, pending, timestampMs };
}
