import { readFile } from "node:fs/promises";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from "node:https";
import { quote } from "../errors.ts";

/** A service of OPA's configuration. File names are absolute. Never to be logged. */
export interface ServiceAccess {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** `Authorization`: scheme and token, or the file that holds the token, read anew for each request. */
  readonly bearer?: BearerSource | undefined;
  readonly tls?: TlsFiles | undefined;
}

export interface BearerSource {
  /** Such as `Bearer`. */
  readonly scheme: string;
  readonly token: { readonly value: Hidden } | { readonly file: string };
}

/** A secret that no log shows by accident. */
export interface Hidden {
  reveal(): string;
}

export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly passphrase?: Hidden | undefined;
  /** Whether any certificate is accepted. */
  readonly insecure: boolean;
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

  constructor(access: ServiceAccess) {
    this.#access = access;
    const { origin, pathname } = access.url;
    this.name = origin + pathname;
  }

  /**
   * Resolves with the answer as soon as its headers are there. Rejects when there is none, or a file can't be read;
   * the next request then reads the certificates anew, which may have been replaced.
   */
  async request({ method, headers, body, signal }: ServiceRequest): Promise<IncomingMessage> {
    const { url, bearer } = this.#access;
    try {
      const options: RequestOptions = {
        method,
        agent: (this.#agent ??= await this.#newAgent()),
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
      throw error;
    }
  }

  /** Closes the connection; the next request makes another. */
  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #newAgent(): Promise<HttpAgent | HttpsAgent> {
    const { url, tls } = this.#access;
    if (url.protocol === "http:") return new HttpAgent({ keepAlive: true, maxSockets: 1 });
    const [ca, cert, key] = await Promise.all([
      contentOf(tls?.caFile),
      contentOf(tls?.certFile),
      contentOf(tls?.keyFile),
    ]);
    return new HttpsAgent({
      keepAlive: true,
      maxSockets: 1,
      rejectUnauthorized: tls?.insecure !== true,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(tls?.passphrase && { passphrase: tls.passphrase.reveal() }),
    });
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
  return "file" in token ? (await contentOf(token.file)).trim() : token.value.reveal();
}

async function contentOf(file: string): Promise<string>;
async function contentOf(file: string | undefined): Promise<string | undefined>;
async function contentOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `services: the file ${quote(file)} can't be read (${code ?? "unknown error"}); check the path and its permissions`,
      { cause: error },
    );
  }
}
