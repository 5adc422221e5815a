import { isObjectText, objectFields, parseJsonText } from "../../common/json-text.ts";
import { BridgeError } from "../../errors.ts";

/** What a replay needs of an event of the decision log. */
export interface LoggedDecision {
  readonly decisionId: string;
  /** `authz/allow`; empty: all of `data`. */
  readonly path: string;
  /** JSON texts. */
  readonly input: string | undefined;
  readonly result: string | undefined;
  /** Why there was no decision. */
  readonly errorCode: string | undefined;
  readonly timeMs: number;
  /** Undefined where the event does not tell. */
  readonly buckets: ReadonlyMap<string, number> | undefined;
  /** The revision of each bundle. */
  readonly bundles: ReadonlyMap<string, string>;
  /** Pointers to what masks have removed or replaced. */
  readonly masked: readonly string[];
}

/** Reads an event, as a sink has written it. Throws `INPUT_INVALID` with the line's number. */
export function eventOf(line: string, number: number): LoggedDecision {
  const text = parseJsonText(line);
  if (text === undefined || !isObjectText(text)) throw refused(number, "is not a JSON object");
  const fields = objectFields(text);
  const parsed = (name: string): unknown => {
    const value = fields.get(name);
    return value === undefined ? undefined : JSON.parse(value);
  };
  const timeMs = Date.parse(stringOf(parsed("timestamp")));
  if (Number.isNaN(timeMs)) throw refused(number, "has no timestamp");
  const custom = recordOf(parsed("custom"));
  const buckets = custom["buckets"];
  return {
    decisionId: stringOf(parsed("decision_id")),
    path: stringOf(parsed("path")),
    input: fields.get("input"),
    result: fields.get("result"),
    errorCode: fields.has("error") ? stringOf(recordOf(parsed("error"))["code"]) : undefined,
    timeMs,
    buckets:
      buckets === undefined
        ? undefined
        : new Map(
            Object.entries(recordOf(buckets)).map(([name, revision]) => [name, Number(revision)]),
          ),
    bundles: new Map(
      Object.entries(recordOf(parsed("bundles"))).map(([name, bundle]) => [
        name,
        stringOf(recordOf(bundle)["revision"]),
      ]),
    ),
    masked: [parsed("erased"), parsed("masked")].flat().filter((at) => typeof at === "string"),
  };
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function stringOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function refused(number: number, what: string): BridgeError {
  return new BridgeError(
    "INPUT_INVALID",
    `Line ${number} ${what}; give the decision log as it was written, one event a line.`,
  );
}
