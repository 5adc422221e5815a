import { connect } from "node:net";
import { sleep } from "../common/async.ts";

const KNOCK_TIMEOUT_MS = 1_000;
/** More doors than this are not knocked at; any of them will do. */
const MAX_DOORS = 16;

/**
 * Knocks at servers that were gone, which costs a server next to nothing: so the wait after a failed attempt can be
 * long, and still end soon after a server is back. A NATS server greets whoever connects; one that is stopped, or
 * a proxy with nothing behind it, takes the connection and is silent.
 */
export class Knocker {
  readonly #everyMs: number;
  /** Where nobody answered the last time. */
  readonly #closed = new Set<string>();
  /** Where an attempt has met nobody, since the last connection. */
  readonly #missed = new Set<string>();

  /** `everyMs`: how often is knocked, in milliseconds; half of it is random. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /**
   * An attempt has met nobody there: whoever answers the first knock after it has come back in between. Counts once
   * in each outage, so that a server which greets, and then keeps us waiting, is not asked over and over.
   */
  missed(server: string): void {
    if (this.#missed.has(server)) return;
    this.#missed.add(server);
    this.#closed.add(server);
  }

  /** There is a connection; what was is over. */
  connected(): void {
    this.#missed.clear();
    this.#closed.clear();
  }

  /**
   * Resolves when one of the servers answers that did not before, or when the signal aborts. A server that
   * answers all along and refuses us is no news.
   */
  async opened(servers: readonly string[], signal: AbortSignal): Promise<void> {
    const doors = servers.slice(0, MAX_DOORS);
    while (!signal.aborted) {
      const opened = await Promise.all(doors.map((door) => this.#opened(door, signal)));
      if (opened.includes(true)) return;
      await sleep(this.#everyMs * (0.5 + Math.random() / 2), signal);
    }
  }

  async #opened(server: string, signal: AbortSignal): Promise<boolean> {
    const open = await knock(server, signal);
    if (signal.aborted) return false;
    if (!open) this.#closed.add(server);
    return open && this.#closed.delete(server);
  }
}

function knock(server: string, signal: AbortSignal): Promise<boolean> {
  const { hostname, port } = new URL(server);
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(port), timeout: KNOCK_TIMEOUT_MS });
    const end = (open: boolean): void => {
      signal.removeEventListener("abort", shut);
      socket.destroy();
      resolve(open);
    };
    const shut = (): void => end(false);
    signal.addEventListener("abort", shut);
    socket.once("data", () => end(true));
    socket.once("timeout", shut);
    socket.once("close", shut);
    socket.on("error", shut);
  });
}
