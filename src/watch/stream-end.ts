import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import type { StaleAction } from "./staleness.ts";

/** Whether opening another stream can't help. A bucket that is gone has no data, so its data must go too. */
export function isFinal({ code }: BridgeError, loading: boolean): boolean {
  if (code === "BUCKET_NOT_FOUND" || code === "BUCKET_OVER_BUDGET" || code === "NATS_CLOSED")
    return true;
  return loading && (code === "BUCKET_FORBIDDEN" || code === "JETSTREAM_UNAVAILABLE");
}

/** Whether nobody answered: a stream without a leader, a server that is overloaded or has lost its way to others. */
export function isUnanswered({ code }: BridgeError): boolean {
  return code === "NATS_TIMEOUT" || code === "JETSTREAM_UNAVAILABLE";
}

export function stoppedError(bucket: string): BridgeError {
  return new BridgeError("BRIDGE_STOPPING", `The watcher of bucket ${quote(bucket)} was stopped.`);
}

export function bridgeStoppingError(): BridgeError {
  return new BridgeError("BRIDGE_STOPPING", "The bridge is stopping; no bucket is watched anew.");
}

export function overError(bucket: string): BridgeError {
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${quote(bucket)} can't be followed: its watcher is over.`,
  );
}

export function loadTimeoutError(bucket: string, ms: number, lastError?: string): BridgeError {
  const why = lastError === undefined ? "" : ` The last problem was: ${lastError}`;
  return new BridgeError(
    "BUCKET_LOAD_TIMEOUT",
    `Bucket ${quote(bucket)} was not loaded within ${ms} ms; check that NATS is reachable, or raise plugins.nats.load_timeout.${why}`,
  );
}

export function differenceError(bucket: string, what: string): BridgeError {
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${quote(bucket)} is loaded again: ${what}.`,
  );
}

export function staleError(bucket: string, ageMs: number, onStale: StaleAction): BridgeError {
  return new BridgeError(
    onStale === "unavailable" ? "BUCKET_UNAVAILABLE" : "BUCKET_STALE",
    `The copy of bucket ${quote(bucket)} is ${Math.round(ageMs / 1_000)} s old, which is over its budget; check that NATS is reachable, or raise max_staleness in plugins.nats.staleness.`,
  );
}

/** Anything that was thrown while a bucket was followed, as an error of the bridge. */
export function followError(bucket: string, error: unknown): BridgeError {
  if (isBridgeError(error)) return error;
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${quote(bucket)} can't be followed: ${messageOf(error)}`,
    { cause: error },
  );
}
