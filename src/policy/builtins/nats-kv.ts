import { BridgeError, type ErrorCode, isBridgeError, quote } from "../../errors.ts";
import type { PolicyStore } from "../../store/policy-store.ts";
import type { BucketDemand } from "../bucket-demand.ts";
import { type Query, Suspension } from "../query.ts";
import type { Builtin } from "./registry.ts";

/** To a policy, a bucket that it may not have is as one that does not exist: there is nothing in it. */
const ABSENT: ReadonlySet<ErrorCode> = new Set([
  "BUCKET_NAME",
  "BUCKET_NOT_ALLOWED",
  "BUCKET_NOT_FOUND",
  "BUCKET_STALE",
]);

/** An answer that lacks data for one of these reasons would look like one that is right. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["BRIDGE_STOPPING", "BUCKET_UNAVAILABLE"]);

/** `nats.kv.watch_bucket`, `nats.kv.get_data` and `nats.kv.status`. */
export function natsKvBuiltins(
  store: PolicyStore,
  demand: BucketDemand,
): [name: string, builtin: Builtin][] {
  const suspension = (query: Query, bucket: string): Suspension =>
    new Suspension(`bucket ${quote(bucket)}`, async () => {
      try {
        await demand.load(bucket);
      } catch (error) {
        if (!isBridgeError(error) || FINAL.has(error.code)) throw error;
        query.giveUp(bucket, error);
      }
    });

  /** True when the bucket is watched. Otherwise false for the whole query, and the watch starts behind its back. */
  function watchBucket([argument]: readonly string[], query: Query): string | undefined {
    const bucket = textOf(argument);
    return query.once(watchQuestion(bucket), () => {
      if (demand.isWatched(bucket)) {
        query.hold(bucket);
        return "true";
      }
      const failure = demand.recentFailure(bucket);
      if (failure === undefined) demand.watch(bucket);
      else if (failure.code === "BUCKET_UNAVAILABLE") throw suspension(query, bucket);
      else if (!ABSENT.has(failure.code)) throw failure;
      return "false";
    });
  }

  /** The document at a dotted key or prefix, null when there is none; waits for a bucket that is not loaded. */
  function getData([first, second]: readonly string[], query: Query): string | undefined {
    const bucket = textOf(first);
    const key = textOf(second);
    query.hold(bucket);
    // Not remembered: asked again in another round, it answers with what that round sees everywhere.
    if (demand.isWatched(bucket)) return store.bucket(bucket)?.text(key.split(".")) ?? "null";
    const reason = query.unavailable(bucket);
    if (reason === undefined) {
      // The bucket was not watched when the query came to it; which rule asked first must not matter.
      query.once(watchQuestion(bucket), () => "false");
      throw suspension(query, bucket);
    }
    if (ABSENT.has(reason.code)) return "null";
    throw reason;
  }

  /** `{"state", "revision", "age_ms"}` of a bucket, as it is known now. Starts nothing. */
  function status([argument]: readonly string[], query: Query): string | undefined {
    const bucket = textOf(argument);
    query.ask(bucket);
    const { state, revision, ageMs } = demand.state(bucket);
    return JSON.stringify({ state, revision, age_ms: ageMs });
  }

  return [
    ["nats.kv.watch_bucket", watchBucket],
    ["nats.kv.get_data", getData],
    ["nats.kv.status", status],
  ];
}

function watchQuestion(bucket: string): string {
  return `watch_bucket ${bucket}`;
}

function textOf(argument: string | undefined): string {
  const value: unknown = argument === undefined ? undefined : JSON.parse(argument);
  if (typeof value === "string") return value;
  throw new BridgeError("INPUT_INVALID", `A string is expected, not ${argument ?? "nothing"}.`);
}
