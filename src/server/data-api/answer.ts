import { andThen, type Soon } from "../../common/async.ts";
import { type DecisionFacts, nanoseconds, noFacts } from "../../policy/decision-facts.ts";
import { flag, type QueryParameters, valuesOf } from "../query-flags.ts";
import type { LogContext } from "../decision-context.ts";
import type { DataApi } from "./context.ts";
import { type Demand, demandOf } from "./least-revisions.ts";

/** A decision that a request asks for. */
export interface Question {
  readonly path: string | readonly string[];
  /** JSON text; undefined: no input. */
  readonly input: string | undefined;
}

/** One that may have to wait until there is something new. */
export interface DemandingQuestion extends Question {
  /** The text of the body's `min_revision`. */
  readonly minRevision?: string | undefined;
}

/** What came of it: the result's JSON text, undefined where it is undefined, and what was asked for beside it. */
export interface Answer {
  readonly result: string | undefined;
  readonly decisionId: string | undefined;
  readonly facts: DecisionFacts | undefined;
}

/** Makes a decision, once the revisions that the request demands are there. Throws, or rejects, like `Bridge.decide`. */
export function answer(
  api: DataApi,
  query: QueryParameters,
  question: DemandingQuestion,
  context: LogContext | undefined,
): Soon<Answer> {
  const demand = demandOf(query, question.minRevision);
  const make = (): Soon<Answer> => answerNow(api, query, question, context);
  return demand === undefined ? make() : whenReached(api, demand, make);
}

/** As {@link answer}, whatever revisions there are. */
export function answerNow(
  { bridge }: DataApi,
  query: QueryParameters,
  { path, input }: Question,
  context: LogContext | undefined,
): Soon<Answer> {
  const strictBuiltinErrors = flag(query, "strict-builtin-errors");
  const facts = wantsFacts(query) ? noFacts() : undefined;
  const made = bridge.decideSoon(path, input, { strictBuiltinErrors, facts, context });
  return andThen(made, (result) => ({ result, decisionId: context?.decisionId, facts }));
}

/** Does something once the revisions demanded are there, and keeps their buckets until it is done. */
export async function whenReached<T>(
  { bridge }: DataApi,
  { revisions, timeoutMs = Infinity }: Demand,
  act: () => Soon<T>,
): Promise<T> {
  const longest = Math.min(timeoutMs, bridge.config.policy.queryTimeoutMs);
  const release = await bridge.awaitRevisions(revisions, longest);
  try {
    return await act();
  } finally {
    release();
  }
}

function wantsFacts(query: QueryParameters): boolean {
  return flag(query, "provenance") || wantsMetrics(query);
}

function wantsMetrics(query: QueryParameters): boolean {
  return flag(query, "metrics") || flag(query, "instrument");
}

/** The fields beside the result that a request has asked for: `decision_id`, `metrics`, `provenance`, `warning`. */
export function extraFields(
  api: DataApi,
  query: QueryParameters,
  { decisionId, facts }: Answer,
  { inputMissing, startedMs, parseMs }: Handling,
): string[] {
  const fields: string[] = [];
  if (decisionId !== undefined) fields.push(`"decision_id":${JSON.stringify(decisionId)}`);
  if (facts !== undefined && wantsMetrics(query)) {
    const metrics = {
      // The policy is compiled long before; no query ever has to be.
      counter_server_query_cache_hit: 1,
      timer_rego_external_resolve_ns: nanoseconds(facts.waitMs),
      timer_rego_input_parse_ns: nanoseconds(parseMs),
      timer_rego_query_eval_ns: nanoseconds(facts.evaluationMs),
      timer_server_handler_ns: nanoseconds(performance.now() - startedMs),
      ...(flag(query, "instrument") && { counter_nats_suspensions: facts.suspensions }),
    };
    fields.push(`"metrics":${JSON.stringify(metrics)}`);
  }
  if (facts !== undefined && flag(query, "provenance")) {
    fields.push(`"provenance":${JSON.stringify(provenance(api, facts))}`);
  }
  const warnings: string[] = [];
  if (inputMissing) warnings.push("'input' key missing from the request");
  if (wantsExplanation(query))
    warnings.push("explain is not available: policies in WebAssembly can't be traced");
  if (warnings.length > 0) {
    const message = warnings.join("; ");
    fields.push(`"warning":${JSON.stringify({ code: "api_usage_warning", message })}`);
  }
  return fields;
}

/** How a request was taken in, apart from the decision. */
export interface Handling {
  /** Whether its body forgot to wrap the input, which OPA warns of. */
  readonly inputMissing: boolean;
  /** When the handler began, on the clock of `performance`. */
  readonly startedMs: number;
  /** How long reading the input took, in milliseconds. */
  readonly parseMs: number;
}

function provenance({ version }: DataApi, { revisions, stale, bundles }: DecisionFacts): object {
  return {
    version,
    build_commit: "",
    // OPA's source and its documentation call it differently.
    build_host: "",
    build_hostname: "",
    bundles: Object.fromEntries([...bundles].map(([name, revision]) => [name, { revision }])),
    buckets: Object.fromEntries(revisions),
    // Only where there is something to say.
    ...(stale.size > 0 && { stale_buckets: Object.fromEntries(stale) }),
  };
}

const EXPLANATIONS: ReadonlySet<string> = new Set(["notes", "full", "fails", "debug"]);

function wantsExplanation(query: QueryParameters): boolean {
  return valuesOf(query, "explain").some((value) => EXPLANATIONS.has(value));
}
