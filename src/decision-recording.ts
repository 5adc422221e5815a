import { randomUUID } from "node:crypto";
import type { Logger } from "./common/logger.ts";
import { packageVersion } from "./common/package-version.ts";
import type { BridgeConfig } from "./config/types.ts";
import { ConsoleSink } from "./decisions/console-sink.ts";
import { DecisionLog, type DecisionLogOptions } from "./decisions/decision-log.ts";
import type { DecisionContext } from "./decisions/event.ts";
import { RecentDecisions } from "./decisions/recent-decisions.ts";
import { SubjectSink, type EventPublisher } from "./decisions/subject-sink.ts";
import { HttpSink } from "./decisions/http-sink.ts";
import { isBridgeError, messageOf } from "./errors.ts";
import type { ActivePolicy } from "./policy/active-policy.ts";
import { BuiltinAnswers } from "./policy/builtin-answers.ts";
import { nanoseconds, noFacts } from "./policy/decision-facts.ts";
import type { DecideOptions, PolicyEngine } from "./policy/engine.ts";

/** What a caller may say of a decision, for its answer and for the decision log. */
export interface RecordedOptions extends DecideOptions {
  /** Who asks, as the decision log shows it. Without effect where that is off. */
  readonly context?: DecisionContext | undefined;
}

/** The engine's decisions, written into the decision log. */
export class DecisionRecording {
  /** Where the decisions go. */
  readonly log: DecisionLog;
  /** @hidden The latest events, for those who look on. */
  readonly recent: RecentDecisions = new RecentDecisions();
  /** Names of the request headers that events show. */
  readonly headers: readonly string[];
  readonly #engine: PolicyEngine;
  readonly #logger: Logger;
  readonly #seen = new Map<string, ActivePolicy>();
  readonly #withAnswers: boolean;

  /** @hidden Undefined where the configuration has no decision log. */
  static of(
    config: BridgeConfig,
    engine: PolicyEngine,
    publisher: EventPublisher,
    logger: Logger,
  ): DecisionRecording | undefined {
    const sinks = sinksOf(config, publisher);
    return sinks.length === 0 ? undefined : new DecisionRecording(config, engine, logger, sinks);
  }

  private constructor(
    { decisionLogs, labels }: BridgeConfig,
    engine: PolicyEngine,
    logger: Logger,
    sinks: DecisionLogOptions["sinks"],
  ) {
    this.#engine = engine;
    this.#logger = logger;
    this.headers = decisionLogs.headers;
    this.#withAnswers = decisionLogs.builtinAnswers;
    this.log = new DecisionLog({
      sinks,
      onShown: (event) => this.recent.offer(event),
      labels: { ...labels, id: randomUUID(), version: packageVersion },
      policy: {
        decide: (path, input) => {
          this.#warnOfUncompiled(path);
          return engine.decide(path, input);
        },
      },
      maskDecision: decisionLogs.maskDecision,
      dropDecision: decisionLogs.dropDecision,
      logger,
    });
  }

  /** As `PolicyEngine.decide`; what comes of it is recorded, an error too. */
  async decide(
    path: string | readonly string[],
    input: string | undefined,
    options: RecordedOptions = {},
  ): Promise<string | undefined> {
    const { context: { decisionId = randomUUID(), ...context } = {} } = options;
    const timestampMs = Date.now();
    const facts = options.facts ?? noFacts();
    const answers = this.#withAnswers ? new BuiltinAnswers() : undefined;
    const bundles = this.#engine.policy?.revisions ?? new Map<string, string>();
    let result: string | undefined;
    let error: { readonly code: string; readonly message: string } | undefined;
    try {
      result = await this.#engine.decide(path, input, {
        ...options,
        facts,
        builtinAnswers: answers,
      });
      return result;
    } catch (thrown) {
      const code = isBridgeError(thrown) ? thrown.code : "EVALUATION_FAILED";
      error = { code, message: messageOf(thrown) };
      throw thrown;
    } finally {
      this.log.record({
        ...context,
        decisionId,
        path: typeof path === "string" ? path.split("/").filter((name) => name !== "") : path,
        input,
        result,
        error,
        timestampMs,
        metrics: {
          timer_rego_external_resolve_ns: nanoseconds(facts.waitMs),
          timer_rego_query_eval_ns: nanoseconds(facts.evaluationMs),
          ...context.metrics,
        },
        buckets: facts.revisions,
        bundles: Object.fromEntries(bundles),
        ...(answers !== undefined && {
          builtinAnswers: answers.text(),
          builtinAnswersDropped: answers.isTooLong,
        }),
      });
    }
  }

  /** A mask that is written but was not compiled would show what it should hide. */
  #warnOfUncompiled(path: string): void {
    const { policy } = this.#engine;
    if (policy === undefined || policy === this.#seen.get(path)) return;
    this.#seen.set(path, policy);
    const names = path.split("/").slice(0, -1);
    const isWritten = [...policy.bundles.values()].some(({ packages }) =>
      packages.some((name) => name.join("/") === names.join("/")),
    );
    if (!isWritten || policy.entrypoints.includes(path)) return;
    this.#logger.warn(
      { path },
      "the bundle has this package, but the decision about the decision log is no entrypoint, and has no effect; build the bundle with -e for it, if the package has it",
    );
  }
}

function sinksOf(
  { decisionLogs }: BridgeConfig,
  publisher: EventPublisher,
): DecisionLogOptions["sinks"] {
  const { console, upload, subject, maxUploadBytes, reporting } = decisionLogs;
  return [
    // As in OPA, delays and the rate limit are those of uploads.
    ...(console ? [{ sink: new ConsoleSink(), reporting: { ...reporting, ...AT_ONCE } }] : []),
    ...(upload
      ? [{ sink: new HttpSink({ ...upload, url: new URL(upload.url), maxUploadBytes }), reporting }]
      : []),
    ...(subject === undefined ? [] : [{ sink: new SubjectSink(publisher, subject), reporting }]),
  ];
}

const AT_ONCE = { trigger: "immediate", maxDecisionsPerSecond: undefined } as const;
