import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from "node:https";
import {
  arePemsEqual,
  type Hidden,
  type Pems,
  readPems,
  readServiceFile,
  secureContextOf,
  type TlsFiles,
  tlsProblem,
} from "./service-tls.ts";

/** A service of OPA's configuration. File names are absolute. Never to be logged. */
export interface ServiceAccess {
  /** Its name there. */
  readonly service: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** `Authorization`: scheme and token, or the file that holds the token, read anew for each request. */
  readonly bearer?: BearerSource | undefined;
  /** The files are read anew for each request. */
  readonly tls?: TlsFiles | undefined;
}

export interface BearerSource {
  /** Such as `Bearer`. */
  readonly scheme: string;
  readonly token: { readonly value: Hidden } | { readonly file: string };
}

export interface ServiceRequest {
  readonly method: "GET" | "POST";
  /** Beside those of the service. */
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Buffer;
  /** Ends the request, and the answer too. */
  readonly signal: AbortSignal;
}

/** Asks a service, over one connection that is kept. It follows no redirects. */
export class ServiceClient {
  /** The address without what may be secret, for messages. */
  readonly name: string;
  readonly #access: ServiceAccess;
  #agent: HttpAgent | HttpsAgent | undefined;
  /** What its connections were made with. */
  #pems: Pems = {};

  constructor(access: ServiceAccess) {
    this.#access = access;
    const { origin, pathname } = access.url;
    this.name = origin + pathname;
  }

  /**
   * Resolves with the answer as soon as its headers are there. Rejects when there is none, or a file can't be used:
   * with a `ServiceProblem` where something is known to help. Certificates that have changed are used from the next
   * request on, by a new connection. One request at a time.
   */
  async request({ method, headers, body, signal }: ServiceRequest): Promise<IncomingMessage> {
    const { url, bearer, service, tls } = this.#access;
    try {
      const options: RequestOptions = {
        method,
        agent: await this.#currentAgent(),
        signal,
        headers: {
          ...this.#access.headers,
          ...(bearer && { authorization: `${bearer.scheme} ${await tokenOf(bearer.token)}` }),
          ...headers,
          ...(body && { "content-length": body.length }),
        },
      };
      return await send(url, options, body);
    } catch (error) {
      this.close();
      throw url.protocol === "https:" && !signal.aborted ? tlsProblem(error, service, tls) : error;
    }
  }

  /** Closes the connection; the next request makes another. */
  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #currentAgent(): Promise<HttpAgent | HttpsAgent> {
    const { url, service, tls = { insecure: false } } = this.#access;
    const kept = { keepAlive: true, maxSockets: 1 };
    if (url.protocol === "http:") return (this.#agent ??= new HttpAgent(kept));
    const pems = await readPems(tls);
    if (this.#agent !== undefined && arePemsEqual(pems, this.#pems)) return this.#agent;
    this.close();
    const secureContext = secureContextOf(service, tls, pems);
    this.#pems = pems;
    return (this.#agent = new HttpsAgent({
      ...kept,
      rejectUnauthorized: !tls.insecure,
      secureContext,
    }));
  }
}

function send(
  url: URL,
  options: RequestOptions,
  body: Buffer | undefined,
): Promise<IncomingMessage> {
  const begin = url.protocol === "http:" ? httpRequest : httpsRequest;
  return new Promise((resolve, reject) => {
    const request = begin(url, options, resolve);
    request.once("error", reject);
    request.end(body);
  });
}

async function tokenOf(token: BearerSource["token"]): Promise<string> {
  return "file" in token ? (await readServiceFile(token.file)).trim() : token.value.reveal();
}
