import { deferred } from "../common/async.ts";
import { isDeeperThan, MAX_JSON_DEPTH } from "../common/json-text.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { ReplayBuffer } from "../common/replay-buffer.ts";
import { isBridgeError, messageOf } from "../errors.ts";
import { Delivery, type Reporting } from "./delivery.ts";
import { type DecisionEvent, eventText, unmasked, withoutDeep } from "./event.ts";
import { type DecisionLogCounters, type DecisionLogFigures, noCounters } from "./figures.ts";
import { applyMasks, parseMaskRules } from "./masking.ts";
import type { DecisionSink, EncodedEvent } from "./sink.ts";

/** What evaluates the policies about the log itself; `PolicyEngine` fits. */
export interface LogPolicy {
  /** The JSON text of a decision with this input; undefined where there is none. */
  decide(path: string, input: string): Promise<string | undefined>;
}

/** A sink of a {@link DecisionLog}. */
export interface ReportedSink {
  /** Where events go. It is closed with the log. */
  readonly sink: DecisionSink;
  /** When, and how many may wait. */
  readonly reporting: Reporting;
}

/** Of a {@link DecisionLog}. */
export interface DecisionLogOptions {
  /** Each has a buffer of its own, so one that is down doesn't concern the others. */
  readonly sinks: readonly ReportedSink[];
  /** Go into every event. */
  readonly labels: Readonly<Record<string, string>>;
  /** Default: nothing is masked or dropped. */
  readonly policy?: LogPolicy | undefined;
  /** A path such as `system/log/mask`. */
  readonly maskDecision?: string | undefined;
  /** A path such as `system/log/drop`. */
  readonly dropDecision?: string | undefined;
  /** How long `close` may take, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /** Given each event that is to be shown. Must not throw. */
  readonly onShown?: ((event: EncodedEvent) => void) | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Of what waits to be encoded: it holds only until the event loop is free. */
const PENDING = { maxItems: 100_000, maxBytes: 64 * 2 ** 20 };

/** How long encoding may keep the event loop at a time, in milliseconds. */
const SLICE_MS = 1;

/**
 * OPA's decision log. `record` keeps references and returns; events are encoded, masked and dropped later, in
 * order, in slices between other work, and then brought to every sink.
 */
export class DecisionLog implements AsyncDisposable {
  readonly #options: DecisionLogOptions;
  readonly #logger: Logger;
  readonly #labels: string;
  readonly #deliveries: readonly Delivery[];
  readonly #counters: DecisionLogCounters = noCounters();
  readonly #pending = new ReplayBuffer<DecisionEvent>(PENDING);
  #encoding: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: DecisionLogOptions) {
    const { sinks, labels, logger = silentLogger, random } = options;
    this.#options = options;
    this.#logger = logger;
    this.#labels = JSON.stringify(labels);
    const counters = this.#counters;
    this.#deliveries = sinks.map(
      ({ sink, reporting }) => new Delivery({ sink, reporting, counters, logger, random }),
    );
  }

  /** Takes a decision. Synchronous, never fails, and costs the same whatever the sinks are doing. */
  record(event: DecisionEvent): void {
    const counters = this.#counters;
    counters.decisions++;
    if (this.#closed !== undefined) {
      counters.dropped_at_close++;
      return;
    }
    const { input, result, builtinAnswers, builtinAnswersDropped } = event;
    if (builtinAnswersDropped === true) counters.decision_logs_nd_builtin_cache_dropped++;
    const bytes = (input?.length ?? 0) + (result?.length ?? 0) + (builtinAnswers?.length ?? 0);
    const { byCount, byBytes } = this.#pending.push(event, bytes);
    counters.decision_logs_dropped_buffer_size_limit_exceeded += byCount;
    counters.decision_logs_dropped_buffer_size_limit_bytes_exceeded += byBytes;
    this.#encoding ??= this.#encode();
  }

  /** What was recorded, delivered and dropped since the start, and what waits. */
  figures(): DecisionLogFigures {
    let waiting = 0;
    let bytes = 0;
    for (const delivery of this.#deliveries) {
      waiting += delivery.waiting.events;
      bytes += delivery.waiting.bytes;
    }
    return { ...this.#counters, pending: this.#pending.length, waiting, waiting_bytes: bytes };
  }

  /** Brings what waits to the sinks, without waiting for their delays. */
  async flush(): Promise<void> {
    await this.#encoding;
    await Promise.all(this.#deliveries.map((delivery) => delivery.flush()));
  }

  /** Takes nothing more, and gives what waits a last chance, for `closeTimeoutMs`. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs = 5_000 } = this.#options;
    const deadline = performance.now() + closeTimeoutMs;
    const late = deferred();
    const timer = setTimeout(() => late.resolve(), closeTimeoutMs);
    await Promise.race([this.#encoding, late.promise]);
    clearTimeout(timer);
    const unseen = this.#pending.take(Number.POSITIVE_INFINITY).items.length;
    this.#counters.dropped_at_close += unseen;
    if (unseen > 0) this.#logger.warn({ events: unseen }, "decision events were not encoded");
    const left = Math.max(0, deadline - performance.now());
    await Promise.all(this.#deliveries.map((delivery) => delivery.close(left)));
  }

  /** Encodes what is pending, in order, until there is nothing. */
  async #encode(): Promise<void> {
    await free();
    let sliceEnd = performance.now() + SLICE_MS;
    while (this.#pending.length > 0) {
      const [event] = this.#pending.take(1).items;
      await this.#encodeOne(event!);
      if (performance.now() < sliceEnd) continue;
      await free();
      sliceEnd = performance.now() + SLICE_MS;
    }
    // In the same breath as the look at what is pending, so that no event finds an encoder that is just ending.
    this.#encoding = undefined;
  }

  async #encodeOne(event: DecisionEvent): Promise<void> {
    let text: string | undefined;
    try {
      text = await this.#shown(event);
    } catch (error) {
      // As in OPA, what could not be masked is not shown. The error tells of the policy, not of the event.
      this.#counters.dropped_masking_failed++;
      const code = isBridgeError(error) ? error.code : "?";
      this.#logger.error({ code }, `an event was not logged: ${describe(error)}`);
    }
    if (text === undefined) return;
    const { decisionId } = event;
    for (const delivery of this.#deliveries) delivery.offer({ decisionId, text });
    this.#options.onShown?.({ decisionId, text });
  }

  /** The event's text as the policies about the log allow it; undefined when they drop it. */
  async #shown(event: DecisionEvent): Promise<string | undefined> {
    const { policy, dropDecision, maskDecision } = this.#options;
    let content = unmasked(event);
    let whole = eventText(event, this.#labels, content);
    if (policy === undefined) return whole;
    if (isDeeperThan(whole, MAX_JSON_DEPTH)) {
      // No policy can look at it, and a decision that was made must not be missing from the log for that.
      content = withoutDeep(content);
      whole = eventText(event, this.#labels, content);
    }
    if (dropDecision !== undefined && (await policy.decide(dropDecision, whole)) === "true") {
      this.#counters.dropped_by_policy++;
      return undefined;
    }
    const masks = maskDecision === undefined ? undefined : await policy.decide(maskDecision, whole);
    if (masks === undefined) return whole;
    return eventText(event, this.#labels, applyMasks(content, parseMaskRules(masks)));
  }
}

/** Resolves when the event loop has done what was waiting. */
function free(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What an evaluation says may hold parts of its input, so of anything else than this only its kind is told. */
function describe(error: unknown): string {
  return isBridgeError(error, "DECISION_MASK")
    ? messageOf(error)
    : "its mask or drop policy failed";
}
