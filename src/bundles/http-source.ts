import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { sleep } from "../common/async.ts";
import { type ServiceAccess, ServiceClient } from "../common/service-client.ts";
import { ServiceProblem } from "../common/service-tls.ts";
import { type BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import { bundleFilesOf } from "../policy/bundle.ts";
import { tooLarge } from "../policy/bundle-files.ts";
import { DownloadError } from "./download-error.ts";
import type { BundleSource, Found } from "./source.ts";

export interface HttpSourceOptions {
  readonly access: ServiceAccess;
  /** How long the headers of the answer may take, and then each piece of it, in milliseconds. */
  readonly timeoutMs: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** 0: the service isn't asked to wait for something new. */
  readonly longPollingMs: number;
  readonly maxBytes: number;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** The answer's type by which a service says that it waits for something new. */
const LONG_POLLING_TYPE = "application/vnd.openpolicyagent.bundles";
const REMEDY = "check the service, and bundles and services in the configuration";
/** A service that says that it waits, and doesn't, is asked no more often than others. */
const LEAST_WAIT_MS = 1_000;

/** Of a failure. */
interface Circumstances {
  /** That the service answered with. */
  readonly status?: number;
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/** A service that speaks OPA's bundle protocol. */
export class HttpSource implements BundleSource {
  readonly isLocal = false;
  readonly maxRetryMs: number;
  readonly #options: HttpSourceOptions;
  readonly #client: ServiceClient;
  #waits = false;

  constructor(options: HttpSourceOptions) {
    this.#options = options;
    this.#client = new ServiceClient(options.access);
    this.maxRetryMs = options.maxDelayMs;
  }

  async look(version: string | undefined, signal: AbortSignal): Promise<Found | undefined> {
    const started = performance.now();
    const patience = new Patience(this.#options.timeoutMs + this.#options.longPollingMs, signal);
    try {
      const response = await this.#client.request({
        method: "GET",
        headers: this.#headers(version),
        signal: patience.signal,
      });
      const { statusCode: status = 0, headers } = response;
      const found = status === 304 ? undefined : await this.#read(response, status, patience);
      if (found === undefined) response.resume();
      const saysThatItWaits = headers["content-type"] === LONG_POLLING_TYPE;
      const hasWaited = performance.now() - started >= LEAST_WAIT_MS;
      this.#waits = saysThatItWaits && (found !== undefined || hasWaited);
      return found?.version === version ? undefined : found;
    } catch (error) {
      this.#waits = false;
      this.#client.close();
      if (isBridgeError(error)) throw error;
      const late = patience.signal.aborted && !signal.aborted;
      if (late) throw this.#failure("it did not answer in time");
      const remedy = error instanceof ServiceProblem ? error.remedy : undefined;
      throw this.#failure(messageOf(error), { remedy, cause: error });
    } finally {
      patience.end();
    }
  }

  pause(signal: AbortSignal, afterFailureMs?: number): Promise<void> {
    if (afterFailureMs !== undefined) return sleep(afterFailureMs, signal);
    const { minDelayMs, maxDelayMs, longPollingMs, random = Math.random } = this.#options;
    if (this.#waits && longPollingMs > 0) return Promise.resolve();
    return sleep(minDelayMs + random() * (maxDelayMs - minDelayMs), signal);
  }

  stop(): void {
    this.#client.close();
  }

  #headers(version: string | undefined): Record<string, string> {
    const { longPollingMs } = this.#options;
    const wait = longPollingMs > 0 ? `;wait=${Math.ceil(longPollingMs / 1_000)}` : "";
    return {
      // Of a changed bundle only the whole is understood.
      prefer: `modes=snapshot${wait}`,
      // A version of our own making means nothing to the service.
      ...(version !== undefined && isTag(version) && { "if-none-match": version }),
    };
  }

  async #read(response: IncomingMessage, status: number, patience: Patience): Promise<Found> {
    if (status !== 200) throw this.#failure(`it answered ${status}`, { status });
    const { name } = this.#client;
    const { maxBytes, timeoutMs } = this.#options;
    if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(name, maxBytes);
    const chunks: Buffer[] = [];
    let total = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      patience.renew(timeoutMs);
      total += chunk.length;
      if (total > maxBytes) throw tooLarge(name, maxBytes);
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    const tag = response.headers.etag;
    return {
      version: tag ?? `sha256 ${createHash("sha256").update(bytes).digest("hex")}`,
      load: async () => ({ files: await bundleFilesOf(bytes, name, { maxBytes }), bytes }),
    };
  }

  #failure(why: string, { status, remedy = REMEDY, cause }: Circumstances = {}): BridgeError {
    const message = `The bundle can't be downloaded from ${quote(this.#client.name)} (${why}); ${remedy}.`;
    return new DownloadError(message, status, { cause });
  }
}

/** An entity tag (RFC 9110): in quotes, possibly weak; some services leave the quotes out. */
function isTag(version: string): boolean {
  return !version.startsWith("sha256 ");
}

/** Aborts when nothing has come for too long. */
class Patience {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout;

  /** Ends with the outer signal too. Not by `AbortSignal.any`, whose signals Node 20 may keep for ever. */
  constructor(ms: number, outer: AbortSignal) {
    this.#outer = outer;
    this.#timer = this.#start(ms);
    outer.addEventListener("abort", this.#abort);
    if (outer.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  renew(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start(ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#abort);
  }

  #start(ms: number): NodeJS.Timeout {
    return setTimeout(this.#abort, ms);
  }

  readonly #abort = (): void => this.#controller.abort();
}
