import { makeBucket, Updates } from "./buckets.ts";
import type { FleetCluster } from "./cluster.ts";
import type { PeakCosts } from "./cost-table.ts";
import { total, windowOf } from "./window.ts";
import { Worker } from "./worker-process.ts";

const KEYS = 100_000;
const UPDATES_PER_SECOND = 3_000;
const WINDOW_MS = 6_000;

/** What one bridge can do at its limit: a large bucket, and updates that come in crowds. */
export async function measurePeak(cluster: FleetCluster): Promise<PeakCosts> {
  const bucket = { bucket: "large", keys: KEYS };
  await makeBucket(cluster, bucket.bucket, KEYS);
  await makeBucket(cluster, "small", 10);
  const emptyBytes = await (async () => {
    await using worker = new Worker("empty");
    await worker.start(cluster.running, ["small"], "30m");
    return (await worker.sample(true)).rss;
  })();
  await using worker = new Worker("large");
  await worker.start(cluster.running, [bucket.bucket], "30m");
  const first = await worker.sample(true);
  await worker.cut();
  await worker.loaded(2);
  // Code that has been compiled by now is what a large load is made with.
  const before = await worker.sample(true);
  await worker.cut();
  await worker.loaded(3);
  const after = await worker.sample();
  const updates = new Updates(cluster, [bucket], UPDATES_PER_SECOND);
  updates.begin();
  const busy = await windowOf(cluster, [worker], WINDOW_MS, updates);
  await updates.end();
  return {
    key: (after.cpu - before.cpu) / KEYS,
    update: total(busy, "cpu") / total(busy, "entries"),
    keyBytes: (first.rss - emptyBytes) / KEYS,
    emptyBytes,
  };
}
