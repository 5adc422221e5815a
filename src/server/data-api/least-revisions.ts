import { parseDuration } from "../../common/duration.ts";
import { isObjectText, objectFields } from "../../common/json-text.ts";
import { quote } from "../../errors.ts";
import type { LeastRevisions } from "../../watch/await-revisions.ts";
import { invalidParameter, RequestError } from "../api-errors.ts";
import { type QueryParameters, valuesOf } from "../query-flags.ts";

/** A caller can't make the bridge watch any number of buckets at once. */
const MAX_BUCKETS = 16;

/** What a request demands before it is answered: `min_revision` of buckets, and how long that may take. */
export interface Demand {
  readonly revisions: LeastRevisions;
  /** In milliseconds; undefined: as long as a query may wait. */
  readonly timeoutMs: number | undefined;
}

/**
 * The demand of a request, from its parameters (`min_revision=bucket:12`, any number of times, and
 * `min_revision_timeout=500ms`) and from the body's `min_revision` (`{"bucket": 12}`); undefined where there is none.
 */
export function demandOf(query: QueryParameters, field: string | undefined): Demand | undefined {
  const parameters = valuesOf(query, "min_revision");
  if (parameters.length === 0 && field === undefined) return undefined;
  const revisions = new Map<string, number>();
  for (const parameter of parameters) {
    const colon = parameter.lastIndexOf(":");
    add(revisions, parameter.slice(0, Math.max(0, colon)), parameter.slice(colon + 1));
  }
  if (field !== undefined) {
    if (!isObjectText(field)) throw refused(`min_revision is ${quote(field)}`);
    for (const [bucket, revision] of objectFields(field)) add(revisions, bucket, revision);
  }
  if (revisions.size > MAX_BUCKETS) {
    throw refused(`min_revision names more than ${MAX_BUCKETS} buckets`);
  }
  return { revisions, timeoutMs: timeoutOf(valuesOf(query, "min_revision_timeout").at(-1)) };
}

function add(revisions: Map<string, number>, bucket: string, text: string): void {
  const revision = Number(text);
  if (bucket === "" || !/^\d+$/.test(text) || !Number.isSafeInteger(revision)) {
    throw refused(`min_revision of ${quote(bucket)} is ${quote(text)}`);
  }
  revisions.set(bucket, Math.max(revision, revisions.get(bucket) ?? 0));
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    const timeoutMs = parseDuration(text);
    if (timeoutMs >= 0) return timeoutMs;
  } catch {
    // As refused as one below zero.
  }
  throw new RequestError(
    invalidParameter(`min_revision_timeout is ${quote(text)}; write a duration such as 500ms`),
  );
}

function refused(what: string): RequestError {
  return new RequestError(
    invalidParameter(`${what}; write ?min_revision=bucket:12, or {"min_revision": {"bucket": 12}}`),
  );
}
