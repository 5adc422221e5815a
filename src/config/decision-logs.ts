import * as z from "zod";
import { boolean, bytes, field, integer, section, text, texts } from "./fields.ts";
import type { DecisionLogOptions, ReportingOptions } from "./decision-log-options.ts";
import type { DecisionLogConfig } from "./types.ts";

/** The section as it was given, still without its service. */
export interface DecisionLogSection extends Omit<DecisionLogConfig, "upload"> {
  /** Whether the configuration has the section at all. */
  readonly given: boolean;
  readonly service: string | undefined;
  readonly resource: string;
}

/** A subject without wildcards. */
const SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;

const subject = field<string | undefined>(undefined, (value, report) => {
  if (typeof value === "string" && SUBJECT.test(value)) return value;
  report('must be a subject without wildcards; write "decisions.log"');
  return undefined;
});

const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;

/** One of these texts. */
function choice<const T extends string>(values: readonly [T, ...T[]], note: string): z.ZodType<T> {
  const [usual] = values;
  return field<T>(usual, (value, report) => {
    const found = values.find((item) => item === value);
    if (found === undefined)
      report(`must be ${values.map((item) => `"${item}"`).join(" or ")}${note}`);
    return found ?? usual;
  });
}

const perSecond = field<number | undefined>(undefined, (value, report) => {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  report("must be a number above 0; remove the key for no limit");
  return undefined;
});

const reportingShape = {
  trigger: choice(["periodic", "immediate"], "; nothing here triggers it by hand"),
  min_delay_seconds: integer(300, 0, 2_000_000),
  max_delay_seconds: integer(600, 0, 2_000_000),
  upload_size_limit_bytes: bytes(32_768),
  buffer_type: choice(["size", "event"], ""),
  buffer_size_limit_bytes: bytes(64 * 2 ** 20),
  buffer_size_limit_events: integer(-1, 0),
  max_decisions_per_second: perSecond,
} satisfies Record<keyof ReportingOptions, z.ZodType>;

const headersShape = { headers: texts([], HEADER_NAME, "must be the name of a header") };
const natsShape = { subject };
const contextShape = { http: section(z.strictObject(headersShape)) };

const decisionLogsShape = {
  console: boolean(false),
  service: text(undefined),
  nats: section(z.strictObject(natsShape)),
  resource: text(undefined),
  partition_name: text(undefined),
  mask_decision: text("/system/log/mask"),
  drop_decision: text("/system/log/drop"),
  nd_builtin_cache: boolean(false),
  request_context: section(z.strictObject(contextShape)),
  reporting: section(z.strictObject(reportingShape)),
} satisfies Record<keyof DecisionLogOptions, z.ZodType>;

const DEFAULT_EVENTS = { size: 1_000_000, event: 10_000 };

const filled = z.strictObject(decisionLogsShape).transform((options, context) => {
  const { reporting } = options;
  const { min_delay_seconds: min, max_delay_seconds: max } = reporting;
  if (max < min) {
    const message = `must not be less than min_delay_seconds, which is ${min}; give both`;
    context.addIssue({ code: "custom", message, path: ["reporting", "max_delay_seconds"] });
  }
  const { partition_name: partition } = options;
  const { max_decisions_per_second: perSecond } = reporting;
  const events = reporting.buffer_size_limit_events;
  return {
    console: options.console,
    ...(options.nats.subject !== undefined && { subject: options.nats.subject }),
    service: options.service,
    resource: partition === undefined ? (options.resource ?? "/logs") : `/logs/${partition}`,
    maskDecision: options.mask_decision.replace(/^\/+/, ""),
    dropDecision: options.drop_decision.replace(/^\/+/, ""),
    builtinAnswers: options.nd_builtin_cache,
    headers: options.request_context.http.headers,
    maxUploadBytes: reporting.upload_size_limit_bytes,
    reporting: {
      trigger: reporting.trigger,
      minDelayMs: min * 1_000,
      maxDelayMs: max * 1_000,
      maxEvents: events < 0 ? DEFAULT_EVENTS[reporting.buffer_type] : events,
      maxBytes: reporting.buffer_size_limit_bytes,
      ...(perSecond !== undefined && { maxDecisionsPerSecond: perSecond }),
    },
  };
});

/** `decision_logs`. */
export const decisionLogs: z.ZodType<DecisionLogSection> = filled.nullish().transform((value) => ({
  ...(value ?? filled.parse({})),
  given: value !== undefined && value !== null,
}));

/** The keys of `decision_logs` and of the maps in it, for suggestions. */
export const DECISION_LOG_KEYS: readonly (readonly [string, readonly string[]])[] = [
  ["decision_logs", Object.keys(decisionLogsShape)],
  ["decision_logs.reporting", Object.keys(reportingShape)],
  ["decision_logs.nats", Object.keys(natsShape)],
  ["decision_logs.request_context", Object.keys(contextShape)],
  ["decision_logs.request_context.http", Object.keys(headersShape)],
];
