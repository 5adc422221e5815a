import { isDeeperThan, MAX_JSON_DEPTH } from "../common/json-text.ts";

/** What a caller knows of a decision that it asks for, beyond the question itself. */
export interface DecisionContext {
  /** Default: a new UUID. */
  readonly decisionId?: string | undefined;
  /** Of the batch that the decision is part of. */
  readonly batchDecisionId?: string | undefined;
  /** `ip:port` of the client. */
  readonly requestedBy?: string | undefined;
  /** The process's number of the request. */
  readonly requestId?: number | undefined;
  /** W3C trace context: 32 hexadecimal digits. */
  readonly traceId?: string | undefined;
  /** W3C trace context: 16 hexadecimal digits. */
  readonly spanId?: string | undefined;
  /** Headers of the request, by the names that the configuration gives them. */
  readonly headers?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Figures beside the decision's own, such as `timer_rego_input_parse_ns`. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/** A decision that was made, as the decision log takes it: texts are kept as they are, and nothing is parsed. */
export interface DecisionEvent extends Omit<DecisionContext, "decisionId"> {
  /** The identity of the decision; in the service, that of its answer. */
  readonly decisionId: string;
  /** Segments below `data`; none for all of it. */
  readonly path: readonly string[];
  /** JSON text; absent where there was none. */
  readonly input?: string | undefined;
  /** JSON text; absent where the decision was undefined. */
  readonly result?: string | undefined;
  /** JSON text of what builtins that are not deterministic have answered; absent where it isn't recorded. */
  readonly builtinAnswers?: string | undefined;
  /** Whether there were more of them than are recorded. */
  readonly builtinAnswersDropped?: boolean | undefined;
  /** Why there is no decision. */
  readonly error?:
    | {
        /** One of the bridge's codes. */
        readonly code: string;
        /** As the caller was told it. */
        readonly message: string;
      }
    | undefined;
  /** When the decision was asked for, in milliseconds since the epoch. */
  readonly timestampMs: number;
  /** The revision of every bucket that the decision used, by name. */
  readonly buckets?: ReadonlyMap<string, number> | undefined;
  /** Revisions of the bundles, by name. */
  readonly bundles?: Readonly<Record<string, string>> | undefined;
}

/** What masks may change of an event, and what they have changed. */
export interface Maskable {
  readonly input?: string | undefined;
  readonly result?: string | undefined;
  readonly builtinAnswers?: string | undefined;
  /** Pointers to what was removed. */
  readonly erased: readonly string[];
  /** Pointers to what was replaced. */
  readonly masked: readonly string[];
}

/** The event as masks find it. */
export function unmasked({ input, result, builtinAnswers }: DecisionEvent): Maskable {
  return { input, result, builtinAnswers, erased: [], masked: [] };
}

/** The content without what is nested too deeply to be a part of an event that a policy can look at. */
export function withoutDeep(content: Maskable): Maskable {
  const isDeep = (text: string | undefined): boolean =>
    text !== undefined && isDeeperThan(text, MAX_JSON_DEPTH - 1);
  const [input, result] = [isDeep(content.input), isDeep(content.result)];
  const answers = isDeep(content.builtinAnswers);
  return {
    input: input ? undefined : content.input,
    result: result ? undefined : content.result,
    builtinAnswers: answers ? undefined : content.builtinAnswers,
    erased: [
      ...content.erased,
      ...(input ? ["/input"] : []),
      ...(result ? ["/result"] : []),
      ...(answers ? ["/nd_builtin_cache"] : []),
    ],
    masked: content.masked,
  };
}

/** The JSON text of an event in OPA's format (EventV1), with the fields in OPA's order. `labels` is JSON text. */
export function eventText(event: DecisionEvent, labels: string, content: Maskable): string {
  const { headers, bundles = {}, path, metrics } = event;
  const revisions = Object.entries(bundles).map(([name, revision]) => [name, { revision }]);
  const fields: [name: string, text: string | undefined][] = [
    ["labels", labels],
    ["decision_id", json(event.decisionId)],
    ["batch_decision_id", json(event.batchDecisionId)],
    ["trace_id", json(event.traceId)],
    ["span_id", json(event.spanId)],
    ["bundles", revisions.length > 0 ? json(Object.fromEntries(revisions)) : undefined],
    ["path", path.length > 0 ? json(path.join("/")) : undefined],
    ["input", content.input],
    ["result", content.result],
    ["nd_builtin_cache", content.builtinAnswers],
    ["erased", content.erased.length > 0 ? json(content.erased) : undefined],
    ["masked", content.masked.length > 0 ? json(content.masked) : undefined],
    ["error", json(event.error)],
    ["requested_by", json(event.requestedBy)],
    ["timestamp", json(new Date(event.timestampMs).toISOString())],
    ["metrics", json(metrics)],
    ["req_id", json(event.requestId)],
    ["request_context", headers && json({ http: { headers } })],
    ["custom", customText(event, content)],
  ];
  let text = "";
  for (const [name, value] of fields) {
    if (value !== undefined) text += `${text === "" ? "{" : ","}"${name}":${value}`;
  }
  return `${text}}`;
}

/** An event with more buckets than this shows none of them. */
const MAX_BUCKETS = 100;

/**
 * The buckets' revisions, where OPA leaves room for what is not its own. The name of a bucket may have come from the
 * input, so an event of which something is masked does not show them.
 */
function customText({ buckets }: DecisionEvent, { erased, masked }: Maskable): string | undefined {
  if (buckets === undefined || buckets.size === 0 || buckets.size > MAX_BUCKETS) return undefined;
  if (erased.length > 0 || masked.length > 0) return undefined;
  return JSON.stringify({ buckets: Object.fromEntries(buckets) });
}

function json(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}
