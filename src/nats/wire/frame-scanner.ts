import { BridgeError } from "../../errors.ts";
import { decimal } from "../decimal.ts";

/**
 * One message without headers, as it lies in what the socket delivered. Only valid during the call that hands it
 * over: the next message is handed over in the same object.
 */
export interface WireMessage {
  readonly bytes: Buffer;
  readonly subjectStart: number;
  readonly subjectEnd: number;
  /** Equal to `replyEnd` where the message has no reply subject. */
  readonly replyStart: number;
  readonly replyEnd: number;
  readonly dataStart: number;
  readonly dataEnd: number;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

export type MessageHandler = (message: WireMessage) => void;

const NL = 10;
const CR = 13;
const SPACE = 32;
const LETTER_M = 77;
const LETTER_H = 72;
const END_BYTES = 2;
/** The longest first line of a message that is waited for; a server's own limit is 4 KiB unless raised. */
const MAX_LINE_BYTES = 1024 * 1024;
/** How many messages are handed over between two looks at the clock. */
const LOOK_EVERY = 16;

/**
 * Cuts what a NATS server sends into frames: messages without headers (`MSG`) of the subscriptions asked for go
 * to their handlers, all other bytes go on as they are, in order.
 * The protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export class FrameScanner {
  readonly #handlers: ReadonlyMap<number, MessageHandler>;
  readonly #pass: (bytes: Buffer) => void;
  /** A frame of which only the beginning is there. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** How many bytes the partial frame has, as far as is known. */
  #partialNeeds = 0;
  /** Bytes of a frame that goes on, which are still to come. */
  #skip = 0;
  /** Within a line that goes on. */
  #inLine = false;
  readonly #message: Writable<WireMessage> = {
    bytes: Buffer.alloc(0),
    subjectStart: 0,
    subjectEnd: 0,
    replyStart: 0,
    replyEnd: 0,
    dataStart: 0,
    dataEnd: 0,
  };
  #sid = 0;

  /** `handlers`: by the number of the subscription; may change between two frames. `pass`: all other bytes. */
  constructor(handlers: ReadonlyMap<number, MessageHandler>, pass: (bytes: Buffer) => void) {
    this.#handlers = handlers;
    this.#pass = pass;
  }

  /**
   * Takes what has come, in order. The answer is what is left of it when `performance.now()` has passed `end`,
   * to be given again. Throws `NATS_PROTOCOL` for what no server sends.
   */
  scan(chunk: Buffer, end: number): Buffer | undefined {
    const bytes = this.#whole(chunk);
    if (bytes === undefined) return undefined;
    let at = 0;
    let passFrom = 0;
    let handed = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const kind = bytes[at]!;
      if (this.#inLine || (kind !== LETTER_M && kind !== LETTER_H)) {
        const newline = bytes.indexOf(NL, at);
        this.#inLine = newline < 0;
        at = newline < 0 ? bytes.length : newline + 1;
        continue;
      }
      const frameEnd = this.#readLine(bytes, at);
      const handler = frameEnd < 0 || kind === LETTER_H ? undefined : this.#handlers.get(this.#sid);
      if (frameEnd >= 0 && handler === undefined) {
        this.#skip = frameEnd - at;
        continue;
      }
      if (at > passFrom) this.#pass(bytes.subarray(passFrom, at));
      passFrom = at;
      if (frameEnd < 0 || frameEnd > bytes.length) {
        this.#keep(bytes.subarray(at), frameEnd < 0 ? 0 : frameEnd - at);
        return undefined;
      }
      handler!(this.#message);
      at = passFrom = frameEnd;
      if (++handed % LOOK_EVERY === 0 && performance.now() >= end && at < bytes.length) {
        return bytes.subarray(at);
      }
    }
    if (at > passFrom) this.#pass(bytes.subarray(passFrom, at));
    return undefined;
  }

  /** What came together with the beginning that is kept; undefined while more must come. */
  #whole(chunk: Buffer): Buffer | undefined {
    if (this.#partialBytes === 0) return chunk;
    this.#partial.push(chunk);
    this.#partialBytes += chunk.length;
    if (this.#partialBytes < this.#partialNeeds) return undefined;
    const whole = Buffer.concat(this.#partial, this.#partialBytes);
    this.#partial = [];
    this.#partialBytes = 0;
    return whole;
  }

  #keep(beginning: Buffer, needs: number): void {
    if (needs === 0 && beginning.length > MAX_LINE_BYTES) throw malformed("a line without an end");
    this.#partial.push(beginning);
    this.#partialBytes = beginning.length;
    this.#partialNeeds = needs;
  }

  /**
   * Reads `MSG <subject> <sid> [reply] <bytes>`, or `HMSG` with the headers' size before the last; the answer is
   * where the frame ends, or -1 when the line is not complete.
   */
  #readLine(bytes: Buffer, start: number): number {
    const message = this.#message;
    message.bytes = bytes;
    let [last, lastEnd, beforeLast, beforeLastEnd] = [0, 0, 0, 0];
    let words = 0;
    let wordStart = -1;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte > SPACE) {
        if (wordStart < 0) wordStart = at;
        continue;
      }
      if (wordStart >= 0) {
        beforeLast = last;
        beforeLastEnd = lastEnd;
        last = wordStart;
        lastEnd = at;
        wordStart = -1;
        words++;
        if (words === 2) {
          message.subjectStart = last;
          message.subjectEnd = lastEnd;
        } else if (words === 3) this.#sid = decimal(bytes, last, lastEnd);
      }
      if (byte !== CR && byte !== NL) continue;
      const size = decimal(bytes, last, lastEnd);
      if (words < 4 || this.#sid < 0 || size < 0) throw malformed("a message's first line");
      message.replyStart = words === 5 ? beforeLast : beforeLastEnd;
      message.replyEnd = beforeLastEnd;
      message.dataStart = at + END_BYTES;
      message.dataEnd = message.dataStart + size;
      return message.dataEnd + END_BYTES;
    }
    return -1;
  }
}

function malformed(what: string): BridgeError {
  return new BridgeError("NATS_PROTOCOL", `The NATS server sent ${what} that can't be read.`);
}
