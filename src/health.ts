import type { BundleStatus } from "./bundles/bundle-status.ts";
import { quote } from "./errors.ts";
import type { ConnectionState } from "./nats/connection.ts";
import type { ManagerStatus } from "./watch/manager-status.ts";

/** Whether the bridge can answer as configured, and if not, why. */
export interface BridgeHealth {
  /** Whether the process can work at all; false once the connection has been given up for good. */
  readonly live: boolean;
  /** Whether everything configured is there and can be trusted; an ordinary reconnect changes nothing of it. */
  readonly ready: boolean;
  /** The connection. */
  readonly nats: ConnectionState;
  /** Whether there is a policy, or data, to answer from. */
  readonly policy: boolean;
  /** Whether every bundle of the configuration has been activated. */
  readonly bundles: boolean;
  /** What works, and an operator should know all the same. */
  readonly warnings: readonly string[];
  /** Why it is not ready, one sentence each; empty where it is. */
  readonly reasons: readonly string[];
}

/** What health is told from. */
export interface HealthFacts {
  readonly nats: { readonly state: ConnectionState; readonly lastError?: string };
  readonly policyActive: boolean;
  /** By name. */
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  /** Empty: none. */
  readonly rootBucket: string;
  readonly watch: ManagerStatus;
}

/** A bucket that can't be followed for this long, although NATS is connected, won't get well by itself soon. */
const WEDGED_MS = 30_000;

/**
 * Ready when everything configured has loaded. An ordinary reconnect changes nothing of that; a connection that
 * was given up, a reader that can't go on, and a copy that is over its staleness budget do.
 */
export function healthOf(facts: HealthFacts): BridgeHealth {
  const { nats, policyActive, rootBucket, watch } = facts;
  const { state, lastError } = nats;
  const reasons: string[] = [];
  if (state === "connecting" || state === "failed" || state === "closed") {
    reasons.push(`NATS is not connected (${lastError ?? state})`);
  }
  if (!policyActive) reasons.push("no policy is active");
  const warnings: string[] = [];
  let activated = true;
  for (const { name, active_revision, active_from, message = "still looked for" } of all(facts)) {
    if (active_revision === undefined) {
      activated = false;
      reasons.push(`bundle ${quote(name)} is not active (${message})`);
    } else if (active_from === "disk") {
      warnings.push(`bundle ${quote(name)} is the one from disk (${message})`);
    }
  }
  const root = watch.buckets.find(({ bucket }) => bucket === rootBucket);
  const there = root?.state === "live" || root?.state === "recovering" || root?.state === "hidden";
  if (rootBucket !== "" && !there) {
    reasons.push(`the root bucket ${rootBucket} is not loaded`);
  }
  for (const { bucket, stale, onStale, ageMs = 0, failingMs = 0, lastError } of watch.buckets) {
    if (stale && onStale !== "serve") {
      const age = Math.round(ageMs / 1_000);
      reasons.push(`bucket ${quote(bucket)} is over its staleness budget (${age} s old)`);
    } else if (failingMs > WEDGED_MS && state === "connected") {
      reasons.push(`bucket ${quote(bucket)} can't be followed (${lastError ?? "no reason known"})`);
    }
  }
  const ready = reasons.length === 0;
  return {
    live: state !== "failed",
    ready,
    nats: state,
    policy: policyActive,
    bundles: policyActive && activated,
    warnings,
    reasons,
  };
}

function all({ bundles }: HealthFacts): readonly BundleStatus[] {
  return Object.values(bundles);
}
