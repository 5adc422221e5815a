import { deferred } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { type Dropped, ReplayBuffer } from "../common/replay-buffer.ts";
import { messageOf } from "../errors.ts";
import type { DecisionLogCounters } from "./figures.ts";
import { RateLimit } from "./rate-limit.ts";
import type { DecisionSink, EncodedEvent } from "./sink.ts";

/** When events go out, and how many may wait. The names and defaults of the configuration are at `DecisionLogOptions`. */
export interface Reporting {
  /** `immediate`: as soon as there is one. `periodic`: after the delay, or once the buffer is half full. */
  readonly trigger: "periodic" | "immediate";
  /** The delay is a random one from here, in milliseconds. */
  readonly minDelayMs: number;
  /** And up to here. */
  readonly maxDelayMs: number;
  /** How many events may wait; the oldest are dropped, and counted. */
  readonly maxEvents: number;
  /** How many bytes of them. */
  readonly maxBytes: number;
  /** Undefined: no limit. */
  readonly maxDecisionsPerSecond?: number | undefined;
}

export interface DeliveryOptions {
  readonly sink: DecisionSink;
  readonly reporting: Reporting;
  readonly counters: DecisionLogCounters;
  readonly logger?: Logger | undefined;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const MIN_RETRY_MS = 100;
const EARLY_FULLNESS = 0.5;

/**
 * Brings events to one sink, in order. What can't be delivered waits in the bounded buffer and is tried again
 * with backoff; neither `offer` nor whoever decides ever waits for a sink.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #logger: Logger;
  readonly #buffer: ReplayBuffer<EncodedEvent>;
  readonly #limit: RateLimit | undefined;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #retryMs = 0;
  #flushing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #closing = false;

  constructor(options: DeliveryOptions) {
    const { sink, reporting, logger = silentLogger, random = Math.random } = options;
    this.#options = options;
    this.#logger = logger;
    this.#buffer = new ReplayBuffer({
      maxItems: reporting.maxEvents,
      maxBytes: reporting.maxBytes,
    });
    const { maxDecisionsPerSecond: perSecond, maxDelayMs } = reporting;
    this.#limit = perSecond === undefined ? undefined : new RateLimit(perSecond, performance.now());
    this.#backoff = new Backoff({
      minMs: MIN_RETRY_MS,
      maxMs: Math.max(maxDelayMs, 1_000),
      random,
    });
    this.#logger.debug({ sink: sink.name }, "the decision log has a sink");
  }

  get waiting(): { readonly events: number; readonly bytes: number } {
    return { events: this.#buffer.length, bytes: this.#buffer.bytes };
  }

  /** Takes an event; synchronous, and never fails. */
  offer(event: EncodedEvent): void {
    if (this.#limit?.allow(performance.now()) === false) {
      this.#options.counters.decision_logs_dropped_rate_limit_exceeded++;
      return;
    }
    this.#count(this.#buffer.push(event, Buffer.byteLength(event.text)));
    this.#schedule();
  }

  /** Delivers what waits now; resolves when that is done or has failed. Flushes don't overlap. */
  flush(): Promise<void> {
    this.#cancelTimer();
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
      this.#schedule();
    });
    return this.#flushing;
  }

  /**
   * A last flush, which may take `deadlineMs`; what is left then is counted and given up. Idempotent, and safe
   * at any time.
   */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#closing = true;
    this.#cancelTimer();
    const deadline = setTimeout(() => this.#stop.abort(), deadlineMs);
    const { sink, counters } = this.#options;
    try {
      await this.#flushing;
      // A flush under way may have failed long ago: once more, however it ends.
      if (this.#buffer.length > 0 && !this.#stop.signal.aborted) await this.#flush();
    } finally {
      clearTimeout(deadline);
      this.#stop.abort();
    }
    const left = this.#buffer.length;
    if (left > 0) {
      counters.dropped_at_close += left;
      this.#logger.warn({ sink: sink.name, events: left }, "decision events were not delivered");
    }
    await sink.close();
  }

  /** Sets the timer for the next flush, unless there is one, or one is under way. */
  #schedule(): void {
    const { trigger, minDelayMs, maxDelayMs } = this.#options.reporting;
    if (this.#closing || this.#flushing !== undefined || this.#buffer.length === 0) return;
    // After a failure nothing but time helps.
    if (this.#backoff.failures > 0) {
      if (this.#timer === undefined) this.#setTimer(this.#retryMs);
      return;
    }
    if (trigger === "immediate" || this.#buffer.fullness >= EARLY_FULLNESS) {
      // Not this instant: what is being encoded goes along.
      this.#soon ??= setImmediate(() => void this.flush());
      return;
    }
    const random = (this.#options.random ?? Math.random)();
    if (this.#timer === undefined) this.#setTimer(minDelayMs + random * (maxDelayMs - minDelayMs));
  }

  #setTimer(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, ms);
    // A process that is done otherwise closes the log; it doesn't wait for its timer.
    this.#timer.unref();
  }

  #cancelTimer(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #flush(): Promise<void> {
    const { sink, counters } = this.#options;
    const { signal } = this.#stop;
    while (this.#buffer.length > 0 && !signal.aborted) {
      const { maxItems, maxBytes } = sink.batch;
      const batch = this.#buffer.take(maxItems, maxBytes);
      let done = 0;
      try {
        const sent = await untilAborted(sink.send(batch.items, signal), signal);
        ({ done } = sent);
        const { dropped = 0 } = sent;
        counters.delivered += done - dropped;
        counters.decision_logs_encoding_failure += dropped;
        this.#succeeded();
      } catch (error) {
        this.#failed(error);
        return;
      } finally {
        this.#count(batch.settle(done));
      }
    }
  }

  #succeeded(): void {
    const { failures } = this.#backoff;
    if (failures === 0) return;
    this.#backoff.reset();
    this.#logger.info({ sink: this.#options.sink.name, failures }, "decision events go out again");
  }

  #failed(error: unknown): void {
    const { sink, counters } = this.#options;
    counters.delivery_failures++;
    this.#retryMs = this.#backoff.next();
    const details = {
      sink: sink.name,
      waiting: this.#buffer.length,
      failures: this.#backoff.failures,
    };
    const level = this.#backoff.failures === 1 ? "warn" : "debug";
    this.#logger[level](details, `decision events can't be delivered: ${messageOf(error)}`);
  }

  #count({ byCount, byBytes }: Dropped): void {
    const { counters } = this.#options;
    counters.decision_logs_dropped_buffer_size_limit_exceeded += byCount;
    counters.decision_logs_dropped_buffer_size_limit_bytes_exceeded += byBytes;
  }
}

/** Rejects as soon as the signal aborts, whatever the sink makes of it. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = deferred<never>();
  const abort = (): void => aborted.reject(new Error("the decision log is closing"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    promise.catch(() => undefined);
  }
}
