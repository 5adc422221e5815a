import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";

/** A service that keeps one bundle and speaks OPA's bundle protocol. Made by {@link startBundleServer}. */
export class BundleServer implements AsyncDisposable {
  readonly url: string;
  /** The requests so far. */
  readonly requests: IncomingMessage[] = [];
  /** Whose they were, by the names in their certificates. */
  readonly clients: string[] = [];
  /** Answers in the place of the protocol, when set. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Whether it waits for something new. */
  longPolling = false;
  readonly #server: ReturnType<typeof createServer>;
  readonly #waiting = new Set<() => void>();
  #bytes: Buffer | undefined;
  #tag = "";

  constructor(server: ReturnType<typeof createServer>, scheme: string) {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => this.#serve(request, response));
  }

  /** Serves this from now on; whoever waits is answered. */
  put(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#tag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => void this.#server.close(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request);
    const { socket } = request;
    if (socket instanceof TLSSocket) {
      this.clients.push(String(socket.getPeerCertificate().subject.CN));
    }
    if (this.answer !== undefined) {
      this.answer(request, response);
      return;
    }
    const known = request.headers["if-none-match"];
    const type = this.longPolling ? "application/vnd.openpolicyagent.bundles" : "application/gzip";
    const wait = /wait=(\d+)/.exec(request.headers.prefer?.toString() ?? "")?.[1];
    const send = (): void => {
      const headers = { etag: this.#tag, "content-type": type };
      if (this.#bytes === undefined) response.writeHead(404, headers).end();
      else if (known === this.#tag) response.writeHead(304, headers).end();
      else response.writeHead(200, headers).end(this.#bytes);
    };
    if (this.longPolling && wait !== undefined && known === this.#tag) {
      this.#waiting.add(send);
      request.socket.once("close", () => this.#waiting.delete(send));
    } else send();
  }
}

/** On 127.0.0.1; with `tls`, clients must show a certificate of the authority `ca`. All are PEM texts. */
export async function startBundleServer(tls?: {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}): Promise<BundleServer> {
  const server =
    tls === undefined
      ? createServer()
      : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new BundleServer(server, tls === undefined ? "http" : "https");
}
