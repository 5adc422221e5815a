import type { IncomingMessage } from "node:http";
import { request as overHttp } from "node:http";
import { request as overHttps, type RequestOptions } from "node:https";
import { isIP } from "node:net";
import type { OutboundRules } from "./rules.ts";

/** A request that a policy asks for. */
export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  readonly followRedirects: boolean;
  readonly tls: Pick<RequestOptions, "ca" | "cert" | "key" | "rejectUnauthorized" | "servername">;
}

export interface OutboundResponse {
  /** Such as `200 OK`. */
  readonly status: string;
  readonly statusCode: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
}

/** The most that an answer's body may have, in bytes. */
export const MAX_BODY_BYTES: number = 4 * 2 ** 20;

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** A redirect with one of these keeps the method and the body. */
const KEEPING: ReadonlySet<number> = new Set([307, 308]);
/** What another host than the one it was meant for never gets. */
const PERSONAL: ReadonlySet<string> = new Set(["authorization", "cookie", "cookie2"]);

/** Something that went wrong on the way, in difference to a request that makes no sense. */
export class NetworkError extends Error {}

/**
 * Makes a request. Every host, the ones of redirects included, and every address that is connected to is judged by the
 * rules. Rejects with a {@link NetworkError}, or an Error where a rule forbids it.
 */
export async function send(
  first: OutboundRequest,
  rules: OutboundRules,
): Promise<OutboundResponse> {
  const signal = AbortSignal.timeout(first.timeoutMs);
  let request = first;
  for (let redirects = 0; ; redirects++) {
    const url = checkedUrl(request.url, rules);
    const response = await exchange(request, url, rules, signal);
    const location = response.headers["location"]?.[0];
    const moved = REDIRECTS.has(response.statusCode) && location !== undefined;
    if (!request.followRedirects || !moved) return response;
    if (redirects >= MAX_REDIRECTS) throw new NetworkError(`stopped after ${redirects} redirects`);
    request = redirected(request, url, new URL(location, url), response.statusCode);
  }
}

/** The URL of a request, when its host is one that may be reached. */
export function checkedUrl(text: string, rules: OutboundRules): URL {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new Error(`unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
  }
  const host = hostOf(url);
  rules.checkHost(host);
  // No name, so nothing is looked up.
  if (isIP(host) !== 0) rules.checkAddress(host);
  return url;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function redirected(
  request: OutboundRequest,
  from: URL,
  to: URL,
  statusCode: number,
): OutboundRequest {
  const keeps = KEEPING.has(statusCode) || request.method === "HEAD";
  const sameHost = from.host === to.host;
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => {
      const lower = name.toLowerCase();
      return lower !== "host" && (sameHost || !PERSONAL.has(lower));
    }),
  );
  const { method, body } = request;
  return {
    ...request,
    url: to.href,
    headers,
    method: keeps ? method : "GET",
    body: keeps ? body : undefined,
  };
}

function exchange(
  { method, headers, body, tls }: OutboundRequest,
  url: URL,
  rules: OutboundRules,
  signal: AbortSignal,
): Promise<OutboundResponse> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const late = signal.aborted ? "request timed out" : error.message;
      reject(new NetworkError(`${method} ${url.href}: ${late}`, { cause: error }));
    };
    const all = {
      "user-agent": "nats-opa-bridge",
      ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
      ...headers,
    };
    // Each has a connection of its own, so that none was made under other rules.
    const options = { method, headers: all, signal, lookup: rules.lookup, agent: false as const };
    try {
      const request =
        url.protocol === "https:" ? overHttps(url, { ...options, ...tls }) : overHttp(url, options);
      request.on("error", fail);
      request.on("response", (response) => {
        read(response).then(resolve, (error: Error) => {
          response.destroy();
          fail(error);
        });
      });
      request.end(body);
    } catch (error) {
      fail(error as Error);
    }
  });
}

async function read(response: IncomingMessage): Promise<OutboundResponse> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error(`the body is over ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const headers = Object.fromEntries(
    Object.entries(response.headersDistinct).map(([name, values]) => [name, values ?? []]),
  );
  const { statusCode = 0, statusMessage = "" } = response;
  const status = `${statusCode} ${statusMessage}`.trimEnd();
  return { status, statusCode, headers, body: Buffer.concat(chunks).toString("utf8") };
}
