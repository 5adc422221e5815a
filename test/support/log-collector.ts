import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** One event as it arrived. */
export type LogEvent = Readonly<Record<string, unknown>> & { readonly decision_id: string };

export interface Upload {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the packed body. */
  readonly bytes: number;
  /** The body unpacked. */
  readonly text: string;
}

/** A real HTTP server that takes uploads of decision logs as OPA sends them. */
export interface LogCollector extends AsyncDisposable {
  readonly url: string;
  readonly uploads: readonly Upload[];
  /** The events of all uploads that were accepted, in order. */
  events(): LogEvent[];
  /** What is answered from now on; uploads with another status than 200 are not kept. `hang` answers never. */
  answer(status: number | "hang"): void;
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
}

export async function startLogCollector(tls?: ServerOptions): Promise<LogCollector> {
  const uploads: Upload[] = [];
  let status: number | "hang" = 200;
  let port = 0;
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    const made = tls === undefined ? createServer() : createTlsServer(tls);
    made.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (status === "hang") return;
        const body = Buffer.concat(chunks);
        if (status === 200) {
          uploads.push({
            path: request.url!,
            method: request.method!,
            headers: request.headers,
            bytes: body.length,
            text: gunzipSync(body).toString(),
          });
        }
        response.statusCode = status;
        response.end("an answer that nobody needs");
      });
      request.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => made.listen(port, "127.0.0.1", resolve));
    ({ port } = made.address() as AddressInfo);
    server = made;
  };
  const stop = async (): Promise<void> => {
    const stopping = server;
    server = undefined;
    if (stopping === undefined) return;
    stopping.closeAllConnections();
    await new Promise((resolve) => stopping.close(resolve));
  };
  await start();
  return {
    get url() {
      return `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
    },
    uploads,
    events: () => uploads.flatMap(({ text }) => JSON.parse(text) as LogEvent[]),
    answer(next) {
      status = next;
    },
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
