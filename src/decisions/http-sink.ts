import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { limitedSignal } from "../common/limited-signal.ts";
import { type ServiceAccess, ServiceClient } from "../common/service-client.ts";
import { ServiceProblem } from "../common/service-tls.ts";
import { BridgeError, messageOf } from "../errors.ts";
import type { DecisionSink, EncodedEvent, Sent } from "./sink.ts";

/** Where events are posted to. Never to be logged. */
export interface HttpSinkOptions extends ServiceAccess {
  /** The most bytes of one upload, packed. */
  readonly maxUploadBytes: number;
  /** How long the answer may take, in milliseconds. */
  readonly timeoutMs: number;
}

const gzipBytes = promisify(gzip);

/** Of the events' text in one upload, whatever it packs to; OPA's limit has a factor like this too. */
const MAX_UNPACKED_FACTOR = 64;

/**
 * OPA's upload protocol: `POST` of a JSON array of events, packed with gzip, of at most `maxUploadBytes`. How many
 * events that is, it learns from what it has sent. Any answer but 2xx is a failure, and nothing follows redirects.
 */
export class HttpSink implements DecisionSink {
  readonly name: string;
  readonly #options: HttpSinkOptions;
  #unpackedLimit: number;
  readonly #client: ServiceClient;

  constructor(options: HttpSinkOptions) {
    this.#options = options;
    this.#client = new ServiceClient(options);
    this.name = this.#client.name;
    this.#unpackedLimit = options.maxUploadBytes;
  }

  get batch(): DecisionSink["batch"] {
    return { maxItems: 10_000, maxBytes: this.#unpackedLimit };
  }

  async send(events: readonly EncodedEvent[], signal: AbortSignal): Promise<Sent> {
    const { maxUploadBytes } = this.#options;
    let count = events.length;
    let packed = await pack(events);
    while (packed.length > maxUploadBytes && count > 1) {
      count = Math.ceil(count / 2);
      packed = await pack(events.slice(0, count));
      this.#learn(Math.floor(this.#unpackedLimit / 2));
    }
    if (packed.length > maxUploadBytes) return { done: 1, dropped: 1 };
    if (packed.length < maxUploadBytes * 0.9) this.#learn(this.#unpackedLimit * 2);
    await this.#post(packed, signal);
    return { done: count };
  }

  close(): void {
    this.#client.close();
  }

  #learn(limit: number): void {
    const { maxUploadBytes } = this.#options;
    this.#unpackedLimit = Math.min(
      Math.max(limit, maxUploadBytes),
      maxUploadBytes * MAX_UNPACKED_FACTOR,
    );
  }

  async #post(body: Buffer, signal: AbortSignal): Promise<void> {
    const { timeoutMs } = this.#options;
    const patience = limitedSignal(signal, timeoutMs);
    let status: number;
    try {
      const response = await this.#client.request({
        method: "POST",
        headers: { "content-type": "application/json", "content-encoding": "gzip" },
        body,
        signal: patience.signal,
      });
      status = response.statusCode ?? 0;
      // What it says beside the status is of no use; but only a connection that is read to its end is used again.
      response.resume();
      await finished(response);
    } catch (error) {
      const why = patience.timedOut ? `no answer within ${timeoutMs} ms` : messageOf(error);
      this.#client.close();
      throw this.#failure(why, error);
    } finally {
      patience.release();
    }
    if (status >= 200 && status <= 299) return;
    this.#client.close();
    throw this.#failure(`it answered ${status}`);
  }

  #failure(why: string, cause?: unknown): BridgeError {
    const remedy =
      cause instanceof ServiceProblem
        ? cause.remedy
        : "check it, and services in the configuration";
    const message = `The decision log's service at ${this.name} did not take events (${why}); ${remedy}.`;
    return new BridgeError("DECISION_SINK", message, { cause });
  }
}

function pack(events: readonly EncodedEvent[]): Promise<Buffer> {
  return gzipBytes(`[${events.map(({ text }) => text).join(",")}]`);
}
