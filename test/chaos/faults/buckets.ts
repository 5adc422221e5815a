import { setTimeout as delay } from "node:timers/promises";
import type { ChaosBucket } from "../bucket.ts";
import { RESYNC_MS, SILENCE_MS } from "../promises.ts";
import type { Random } from "../random.ts";
import type { World } from "../world.ts";
import type { Fault } from "./fault.ts";

/** Something is done to a bucket while nobody else changes it. Servers stay as they are meanwhile. */
function onBucket(
  name: string,
  recoveryMs: number,
  run: (world: World, bucket: ChaosBucket, random: Random) => Promise<void>,
): Fault {
  return {
    name,
    lane: "buckets",
    nodes: [1, 3],
    run: (world, random) =>
      world.keepingServers(() => {
        const bucket = random.pick(world.buckets);
        return bucket.lock.runExclusive(async () => {
          const recovered = world.blindness.begin({ bucket: bucket.name });
          await run(world, bucket, random);
          recovered(recoveryMs);
        });
      }),
  };
}

/** Something after which the bucket has to be asked what it holds. */
async function changed(
  world: World,
  bucket: ChaosBucket,
  work: () => Promise<unknown>,
): Promise<void> {
  bucket.mayChange();
  await world.insist(work);
  await world.insist(() => bucket.observe());
}

/** Deleted and made again: sooner or later, with fewer messages than before or with more. */
const recreated =
  (rounds: (random: Random) => number): Parameters<typeof onBucket>[2] =>
  async (world, bucket, random) => {
    await world.insist(() => bucket.destroy());
    await delay(random.chance(0.5) ? 0 : random.int(0, 2_000));
    await world.insist(() => bucket.create());
    for (let round = rounds(random); round > 0; round--) await bucket.fill(random);
  };

export const bucketFaults: readonly Fault[] = [
  onBucket(
    "recreate-empty",
    SILENCE_MS + RESYNC_MS,
    recreated(() => 0),
  ),
  onBucket(
    "recreate",
    SILENCE_MS + RESYNC_MS,
    recreated(() => 1),
  ),
  onBucket(
    "recreate-longer",
    SILENCE_MS + RESYNC_MS,
    recreated((random) => random.int(5, 12)),
  ),
  // Of what follows the server tells nobody.
  onBucket("purge", RESYNC_MS, async (world, bucket) => {
    const emptied = bucket.emptied();
    await world.insist(() => world.jsm.streams.purge(bucket.stream));
    emptied.acknowledged();
  }),
  onBucket("purge-key", RESYNC_MS, async (world, bucket, random) => {
    const key = random.pick(bucket.keys);
    const emptied = bucket.emptied([key]);
    await world.insist(() =>
      world.jsm.streams.purge(bucket.stream, { filter: bucket.subject(key) }),
    );
    emptied.acknowledged();
  }),
  // With a history, the value before takes the place of the one that is deleted.
  onBucket("delete-messages", RESYNC_MS, async (world, bucket, random) => {
    await changed(world, bucket, async () => {
      const values = [...((await bucket.read()) ?? new Map())].slice(0, random.int(1, 5));
      for (const [, { revision }] of values) {
        await world.jsm.streams.deleteMessage(bucket.stream, revision);
      }
    });
  }),
  onBucket("purge-markers", 0, async (world, bucket) => {
    await world.insist(async () => {
      const live = await bucket.read();
      for (const key of bucket.keys) {
        if (live?.has(key) === true) continue;
        await world.jsm.streams.purge(bucket.stream, { filter: bucket.subject(key) });
      }
    });
    bucket.forget();
  }),
  onBucket("evict", RESYNC_MS, async (world, bucket, random) => {
    const { config } = await world.insist(() => world.jsm.streams.info(bucket.stream));
    await changed(world, bucket, async () => {
      const kept = random.int(1, bucket.keys.length);
      const discard = "old" as typeof config.discard;
      await world.jsm.streams.update(bucket.stream, { ...config, max_msgs: kept, discard });
    });
    await world.insist(() => world.jsm.streams.update(bucket.stream, config));
  }),
  onBucket("lose-consumers", SILENCE_MS + RESYNC_MS, async ({ jsm, insist }, bucket) => {
    await insist(async () => {
      for await (const { name } of jsm.consumers.list(bucket.stream)) {
        await jsm.consumers.delete(bucket.stream, name).catch(() => undefined);
      }
    });
  }),
];
