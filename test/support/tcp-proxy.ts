import { createServer, connect, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { Gate } from "./gate.ts";
import { freePort } from "./ports.ts";

/** A TCP proxy on 127.0.0.1 in front of a server, for the failures of a network. Made by {@link startTcpProxy}. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  /** What clients send waits while this is shut. */
  readonly fromClients: Gate = new Gate();
  /** What the server sends waits while this is shut. */
  readonly fromServer: Gate = new Gate();
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #refusing = false;
  #blackhole = false;
  #delayMs = 0;
  #bytes = 0;

  constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** How many connections stand. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** How many bytes the server has sent to clients through the proxy. */
  get bytesToClients(): number {
    return this.#bytes;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Resets every connection; new ones are refused until `restore`. */
  cut(): void {
    this.#refusing = true;
    this.reset();
  }

  /** Resets every connection; new ones are accepted at once. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Connections stay open and new ones are accepted, but what either side sends is lost until `restore`. */
  blackhole(): void {
    this.#blackhole = true;
  }

  /** Everything is handed on this much later, in order; 0 ends that. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Ends `cut` and `blackhole`. Connections that have lost bytes are reset, since they are broken for good. */
  restore(): void {
    if (this.#blackhole) this.reset();
    this.#refusing = false;
    this.#blackhole = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(client: Socket): void {
    client.on("error", () => undefined);
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    server.on("error", () => undefined);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    this.#pipe(client, server, this.fromClients);
    this.#pipe(server, client, this.fromServer);
    server.on("data", (chunk) => (this.#bytes += chunk.length));
    const gone = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    client.on("close", gone);
    server.on("close", gone);
  }

  #pipe(from: Socket, to: Socket, gate: Gate): void {
    from.setNoDelay(true);
    const delayed: Buffer[] = [];
    from.on("data", (chunk) => {
      if (this.#blackhole) return;
      if (gate.isShut) {
        gate.keep(chunk, () => this.#write(to, from, chunk));
        return;
      }
      if (this.#delayMs === 0 && delayed.length === 0) {
        this.#write(to, from, chunk);
        return;
      }
      delayed.push(chunk);
      // Whichever timer comes first hands on the oldest chunk, so the order holds when the delay changes.
      setTimeout(() => this.#write(to, from, delayed.shift()!), this.#delayMs);
    });
  }

  #write(to: Socket, from: Socket, chunk: Buffer): void {
    if (to.destroyed || to.write(chunk)) return;
    // A slow reader slows the writer down, as it would without the proxy.
    from.pause();
    to.once("drain", () => from.resume());
  }
}

/** Starts a proxy on a free port that hands everything on to `target`, a port of 127.0.0.1. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(await freePort(), target);
  await proxy.listen();
  return proxy;
}
