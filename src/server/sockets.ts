import type { ServerOptions as HttpOptions } from "node:http";
import type { FastifyInstance } from "fastify";
import type { ServerTls } from "./access/certificates.ts";

/** How long connections may keep the service waiting. */
export interface SocketLimits {
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  /** How long the service itself may need for an answer, in milliseconds. */
  readonly answerMs: number;
}

/** Nobody needs longer for the headers. */
const HEADERS_TIMEOUT_MS = 15_000;

/**
 * Options of the listening server, so that nobody holds connections for nothing: requests that don't arrive,
 * answers that are not taken, peers that have gone without a word.
 */
export function socketOptions(
  { requestTimeoutMs }: SocketLimits,
  tls: ServerTls | undefined,
): { http: HttpOptions } | { https: ServerTls & HttpOptions } {
  const options: HttpOptions = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(5_000, requestTimeoutMs),
    keepAlive: true,
    keepAliveInitialDelay: HEADERS_TIMEOUT_MS,
    noDelay: true,
  };
  return tls === undefined
    ? { http: options }
    : { https: { ...options, ...tls, handshakeTimeout: HEADERS_TIMEOUT_MS } as ServerTls };
}

/** What can be said only once there is a server. */
export function limitSockets(
  { server }: FastifyInstance,
  { requestTimeoutMs, maxConnections, answerMs }: SocketLimits,
): void {
  server.maxConnections = maxConnections;
  // A connection is silent while its answer is made; only beyond that its client is too slow, or gone.
  server.setTimeout(requestTimeoutMs + answerMs);
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^(?:::ffff:)?127\./.test(host);
}
