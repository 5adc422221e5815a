import type { BridgeConfig } from "../../config/types.ts";
import { isBridgeError } from "../../errors.ts";
import { bucketsOf } from "../../nats/bucket-source-of.ts";
import { writerOf } from "../../nats/bucket-writer.ts";
import type { NatsLink } from "../../nats/connection.ts";
import { inspectBucket, inspectServer } from "../../nats/inspect.ts";
import { isBucketAllowed } from "../../common/bucket-names.ts";
import { BucketRules } from "../../watch/bucket-rules.ts";
import { failedBy, type Finding } from "./finding.ts";

/** The oldest nats-server that the bridge is tested with. */
const OLDEST = [2, 9, 10] as const;

/** Whether the server answers and lets us in. */
export async function checkConnection(link: NatsLink, config: BridgeConfig): Promise<Finding> {
  const name = config.nats.servers.join(", ");
  try {
    await link.start();
    const { url, version, jetstream } = await inspectServer(link);
    const what = "connection";
    if (isOlder(version)) {
      const detail = `${url} is nats-server ${version}; ${OLDEST.join(".")} is the oldest that is supported, so upgrade it.`;
      return { what, name, verdict: "warning", detail };
    }
    if (!jetstream) {
      const detail = `${url} (nats-server ${version}) has no JetStream of its own; unless it is a leaf node of servers that have it, start it with -js.`;
      return { what, name, verdict: "warning", detail };
    }
    return { what, name, verdict: "ok", detail: `${url}, nats-server ${version}` };
  } catch (error) {
    return failedBy("connection", name, error);
  }
}

/**
 * The buckets that are known by name: the root bucket, those that `buckets.allow` names without `*`, and those
 * that were asked for.
 */
export function bucketsToCheck({ watch }: BridgeConfig, asked: readonly string[]): string[] {
  const named = watch.allow.filter((pattern) => !pattern.includes("*"));
  return [...new Set([watch.rootBucket, ...named, ...asked])].filter((name) => name !== "");
}

/** Whether a bucket is there, may be read, and isn't too large. */
export async function checkBucket(
  link: NatsLink,
  { watch }: BridgeConfig,
  bucket: string,
): Promise<Finding> {
  const what = "bucket";
  try {
    // The root bucket is the operator's own choice, so no rule is asked about it.
    if (bucket !== watch.rootBucket) new BucketRules(watch).check(bucket);
    const facts = await inspectBucket(link, bucketsOf(link), bucket, watch.loadTimeoutMs);
    const { liveKeys, bytes, revision, history, maxAgeMs } = facts;
    const age = Number.isFinite(maxAgeMs) ? `, entries expire after ${maxAgeMs / 1_000} s` : "";
    const detail = `${liveKeys} keys, ${bytes} bytes in NATS, revision ${revision}, ${history} values of each key are kept${age}`;
    if (liveKeys > watch.maxBucketKeys || bytes > watch.maxBucketBytes) {
      const more = `${detail}; that is more than plugins.nats.max_bucket_keys (${watch.maxBucketKeys}) or max_bucket_bytes (${watch.maxBucketBytes}) may let in: raise them`;
      return { what, name: bucket, verdict: "warning", code: "BUCKET_OVER_BUDGET", detail: more };
    }
    return { what, name: bucket, verdict: "ok", detail };
  } catch (error) {
    return failedBy(what, bucket, error);
  }
}

/** Whether a bucket may be written, where the configuration says so; nothing is written. */
export async function checkWrites(
  link: NatsLink,
  { writes }: BridgeConfig,
  bucket: string,
): Promise<Finding | undefined> {
  if (writes === undefined || !isBucketAllowed(bucket, writes)) return undefined;
  try {
    const { incarnation } = await bucketsOf(link).describe(bucket);
    // No key has ever had this revision, so the server can only refuse, after it has looked at the permission.
    const expected = Number.MAX_SAFE_INTEGER;
    const value = new Uint8Array();
    const id = `check-${process.pid}-${Date.now()}`;
    await writerOf(link).write({ bucket, key: "check", value, expected, incarnation, id });
  } catch (error) {
    if (!isBridgeError(error, "REVISION_CONFLICT")) return failedBy("writes", bucket, error);
  }
  return { what: "writes", name: bucket, verdict: "ok", detail: "the NATS user may write it" };
}

function isOlder(version: string): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, least] of OLDEST.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
