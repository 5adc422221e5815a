import type { Socket } from "node:net";
import type { NatsConnection, Subscription } from "nats";
import { slices } from "../../common/slices.ts";
import { FrameScanner, type MessageHandler } from "./frame-scanner.ts";

/** What the client library (2.29, the last of its line) has inside, as far as it is used here. */
interface ClientProtocol {
  parser: ClientParser;
  readonly transport: { readonly socket?: Socket };
}

interface ClientParser {
  /** 0 between two frames. */
  readonly state: number;
  parse(bytes: Uint8Array): void;
}

const BETWEEN_FRAMES = 0;
/** How long what has just come may keep the event loop, before the rest waits for its turn; in milliseconds. */
const AT_ONCE_MS = 0.3;
/** The socket is not read on while more bytes than this wait, until fewer than the next do. */
const PAUSE_BYTES = 256 * 1024;
const RESUME_BYTES = 64 * 1024;

/**
 * Stands between a connection's socket and the client library's parser, for two reasons. The library needs half
 * of the time that loading a bucket takes, for a generality that plain values don't need: those of the
 * subscriptions asked for are cut out here ({@link FrameScanner}). And it works off whatever the socket has, up
 * to 2 MiB in one turn of the event loop, while decisions wait: here that is done in slices, with back-pressure.
 */
export class WireTap {
  static readonly #taps = new WeakMap<NatsConnection, WireTap>();
  readonly #protocol: ClientProtocol;
  readonly #handlers = new Map<number, MessageHandler>();

  private constructor(protocol: ClientProtocol) {
    this.#protocol = protocol;
    let pump = this.#pump(protocol.parser);
    // The library makes a parser for each connect.
    Object.defineProperty(protocol, "parser", {
      get: () => pump,
      set: (parser: ClientParser) => {
        pump.finish();
        pump = this.#pump(parser);
      },
    });
  }

  /** The connection's one tap; undefined where the library's inside is another than the one known. */
  static of(connection: NatsConnection): WireTap | undefined {
    const known = WireTap.#taps.get(connection);
    if (known !== undefined) return known;
    const { protocol } = connection as unknown as { protocol?: ClientProtocol };
    if (typeof protocol?.parser?.parse !== "function" || typeof protocol.parser.state !== "number")
      return undefined;
    const tap = new WireTap(protocol);
    WireTap.#taps.set(connection, tap);
    return tap;
  }

  /**
   * Hands a subscription's messages without headers to `handler`, which must not throw, in order with those that
   * the library hands to its callback. The answer ends that.
   */
  take(subscription: Subscription, handler: MessageHandler): () => void {
    const sid = subscription.getID();
    this.#handlers.set(sid, handler);
    return () => void this.#handlers.delete(sid);
  }

  #pump(parser: ClientParser): Pump {
    return new Pump(parser, this.#handlers, () => this.#protocol.transport.socket);
  }
}

/** Takes the place of one of the library's parsers. */
class Pump implements ClientParser {
  readonly #parser: ClientParser;
  readonly #scanner: FrameScanner;
  readonly #socket: () => Socket | undefined;
  /** Whether the library's parser has been left in the middle of a frame that it began before us. */
  #joining = true;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #paused = false;

  constructor(
    parser: ClientParser,
    handlers: ReadonlyMap<number, MessageHandler>,
    socket: () => Socket | undefined,
  ) {
    this.#parser = parser;
    this.#scanner = new FrameScanner(handlers, (bytes) => parser.parse(bytes));
    this.#socket = socket;
  }

  get state(): number {
    return this.#parser.state;
  }

  parse(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#joining && this.#parser.state !== BETWEEN_FRAMES) {
      this.#parser.parse(chunk);
      return;
    }
    this.#joining = false;
    const idle = this.#waiting.length === 0;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (idle && !this.#work(performance.now() + AT_ONCE_MS)) {
      void slices.run((end) => this.#work(end));
    }
    if (this.#waitingBytes > PAUSE_BYTES && !this.#paused) {
      this.#paused = true;
      this.#socket()?.pause();
    }
  }

  /** Works off all that waits: what the old connection has brought comes before what a new one brings. */
  finish(): void {
    this.#work(Infinity);
  }

  /** True when nothing is left. */
  #work(end: number): boolean {
    try {
      for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
        const rest = this.#scanner.scan(chunk, end);
        this.#waitingBytes -= chunk.length - (rest?.length ?? 0);
        if (rest !== undefined) this.#waiting[0] = rest;
        else this.#waiting.shift();
        if (performance.now() >= end) break;
      }
    } catch (error) {
      // Nothing after it can be understood either.
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#socket()?.destroy(error as Error);
    }
    if (this.#paused && this.#waitingBytes < RESUME_BYTES) {
      this.#paused = false;
      this.#socket()?.resume();
    }
    return this.#waiting.length === 0;
  }
}
