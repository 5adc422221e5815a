import { expect, vi } from "vitest";
import type { PolicyStore } from "../../../src/store/policy-store.ts";
import type { Commit } from "../../../src/store/transaction.ts";
import type { BucketWatcherStatus } from "../../../src/watch/watcher-status.ts";
import type { Author } from "../nats/bucket-kit.ts";
import type { Watching } from "./support.ts";

/** What the bucket holds, asked key by key. */
export async function truth({ connection, manager }: Author, bucket: string): Promise<object> {
  const { state } = await manager.streams.info(`KV_${bucket}`, { subjects_filter: ">" });
  const kv = await connection.jetstream().views.kv(bucket, { bindOnly: true });
  const prefix = `$KV.${bucket}.`;
  const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
  const entries = await Promise.all(keys.map((key) => kv.get(key)));
  return Object.fromEntries(
    entries
      .filter((entry) => entry?.operation === "PUT")
      .map((entry) => [entry!.key, `${entry!.string()}@${entry!.revision}`]),
  );
}

/** What policies see of it. */
export function copy(store: PolicyStore, bucket: string): object | undefined {
  const entries = store.bucket(bucket)?.entries();
  return (
    entries &&
    Object.fromEntries(
      [...entries].map(([key, { text, revision }]) => [key, `${text}@${revision}`]),
    )
  );
}

/** Waits until policies see what the bucket holds; the answer is that. */
export async function expectCurrent(
  { store }: Watching,
  author: Author,
  bucket: string,
  timeout = 12_000,
): Promise<object> {
  return vi.waitFor(
    async () => {
      const held = await truth(author, bucket);
      expect(copy(store, bucket)).toEqual(held);
      return held;
    },
    { timeout, interval: 20 },
  );
}

export function statusOf({ manager }: Watching, bucket: string): BucketWatcherStatus {
  const status = manager.status().buckets.find((one) => one.bucket === bucket);
  if (status === undefined) throw new Error(`${bucket} is not watched`);
  return status;
}

/** Waits until an audit that began after now has found nothing. */
export async function expectProved(watching: Watching, bucket: string): Promise<void> {
  const begin = performance.now();
  await vi.waitFor(
    () => {
      const { provedMs = Infinity } = statusOf(watching, bucket);
      expect(provedMs).toBeLessThan(performance.now() - begin);
    },
    { timeout: 10_000, interval: 10 },
  );
}

/** Keeps what the store announces from now on, as `put key`, `delete key`, `mount` and `unmount`. */
export function announcements(store: PolicyStore): string[] {
  const heard: string[] = [];
  store.onCommit(({ changes }: Commit) => {
    for (const change of changes) {
      heard.push("key" in change ? `${change.type} ${change.key}` : change.type);
    }
  });
  return heard;
}
