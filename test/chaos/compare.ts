import { isDeepStrictEqual } from "node:util";
import type { ChaosBucket, LiveValue } from "./bucket.ts";
import type { Subject } from "./subject.ts";

const PREFIX = "members.";

/** Where a bridge's copy of a bucket is not what NATS says it is, key by key; empty when it is. */
export async function differences(subject: Subject, bucket: ChaosBucket): Promise<string[]> {
  const truth = await bucket.read();
  const seen = subject.bridge.store.bucket(bucket.name);
  if (truth === undefined) return seen === undefined ? [] : ["is watched, but does not exist"];
  if (seen === undefined) return ["is not watched"];
  const found: string[] = [];
  const entries = new Map(seen.entries());
  for (const [key, { text, revision }] of truth) {
    const entry = entries.get(key);
    if (entry === undefined) found.push(`${key} is missing`);
    else if (entry.text !== text || entry.revision !== revision) {
      found.push(`${key} is at revision ${entry.revision} instead of ${revision}`);
    }
  }
  for (const key of entries.keys()) if (!truth.has(key)) found.push(`${key} is gone`);
  if (found.length > 0) return found;
  const document = await subject.document(bucket.name);
  if (document === undefined) return ["its document can't be had"];
  if (isDeepStrictEqual(JSON.parse(document), documentOf(truth))) return [];
  return [`its document in the policy differs: ${document.slice(0, 300)}`];
}

/** What policies should see below "members". */
function documentOf(values: ReadonlyMap<string, LiveValue>): unknown {
  if (values.size === 0) return null;
  const root: Record<string, unknown> = {};
  for (const [key, { text }] of values) {
    const path = key.slice(PREFIX.length).split(".");
    const last = path.pop()!;
    let place = root;
    for (const segment of path) {
      place = (place[segment] ??= {}) as Record<string, unknown>;
    }
    place[last] = JSON.parse(text) as unknown;
  }
  return root;
}
