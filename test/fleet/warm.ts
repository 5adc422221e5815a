import { setTimeout as delay } from "node:timers/promises";
import { type BucketKeys, Updates } from "./buckets.ts";
import type { FleetCluster } from "./cluster.ts";
import type { Worker } from "./worker-process.ts";

const UPDATES_MS = 12_000;
/** Of all buckets together. */
const UPDATES_PER_SECOND = 1_200;
const RELOADS = 4;
/** A connection that lasts less than 5 s counts as a failure. */
const SUSTAINED_MS = 5_500;

/**
 * Has bridges do for a while what they will do: code that has hardly run yet is not compiled, and costs several times
 * as much. A bridge that has been up for a day has all of it behind it.
 */
export async function warm(
  cluster: FleetCluster,
  workers: readonly Worker[],
  buckets: readonly BucketKeys[],
): Promise<void> {
  const updates = new Updates(cluster, buckets, UPDATES_PER_SECOND);
  updates.begin();
  await delay(UPDATES_MS);
  await updates.end();
  for (let round = 0; round < RELOADS; round++) {
    await reloadAll(workers);
    await delay(SUSTAINED_MS);
  }
}

/** Cuts every bridge's connection; resolves when all of their buckets have been loaded again. */
export async function reloadAll(workers: readonly Worker[]): Promise<void> {
  await Promise.all(
    workers.map(async (worker) => {
      const { loads } = await worker.sample();
      const buckets = new Set(loads.map(({ bucket }) => bucket));
      await worker.cut();
      await worker.loaded(loads.length + buckets.size);
    }),
  );
}
