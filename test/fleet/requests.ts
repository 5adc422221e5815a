import { setTimeout as delay } from "node:timers/promises";
import { AckPolicy, connect, createInbox, DeliverPolicy, nanos } from "nats";
import type { BucketSink } from "../../src/nats/bucket-source.ts";
import { bucketsOf } from "../../src/nats/bucket-source-of.ts";
import type { FleetCluster } from "./cluster.ts";
import { linkTo } from "./crowd.ts";

/** A consumer is forgotten 5 s after nobody listens to it. */
const FORGOTTEN_MS = 7_000;
const AT_ONCE = 4;
const QUESTIONS = 2_000;
const CONNECTIONS = 100;
const CONSUMERS = 300;

/** The servers' processor time in which nothing else is done, in each second. */
async function above(
  cluster: FleetCluster,
  idle: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const before = cluster.cpu();
  const from = performance.now();
  await work();
  return cluster.cpu() - before - (idle * (performance.now() - from)) / 1_000;
}

/** Opens the bucket's stream so many times, as a bridge does, each until it is loaded; the answer is the servers' time for each. */
export async function openings(
  cluster: FleetCluster,
  idle: number,
  bucket: string,
  times: number,
): Promise<number> {
  const link = await linkTo(cluster, "openings");
  const source = bucketsOf(link);
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const sink: BucketSink = {
        opened: () => undefined,
        entry: () => undefined,
        whole: () => undefined,
        current: () => undefined,
        loaded: () => {
          run.stop();
          resolve();
        },
        ended: reject,
      };
      const run = source.open(bucket, sink);
    });
  try {
    const cpu = await above(cluster, idle, async () => {
      let left = times;
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (left-- > 0) await open();
        }),
      );
      await delay(FORGOTTEN_MS);
    });
    return cpu / times;
  } finally {
    await link.close();
  }
}

/** The servers' time for a question about a bucket, and for a connection; and how fast consumers are made. */
export async function measureRequests(
  cluster: FleetCluster,
  idle: number,
  bucket: string,
): Promise<{ request: number; connection: number; createWall: number }> {
  const { manager } = cluster;
  const request = await above(cluster, idle, async () => {
    for (let asked = 0; asked < QUESTIONS; asked += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, () => manager.streams.info(`KV_${bucket}`)),
      );
  });
  const connection = await above(cluster, idle, async () => {
    for (let made = 0; made < CONNECTIONS; made++)
      await (await connect({ servers: [...cluster.running] })).close();
  });
  const from = performance.now();
  await Promise.all(
    Array.from({ length: CONSUMERS }, () =>
      manager.consumers.add(`KV_${bucket}`, {
        deliver_subject: createInbox(),
        deliver_policy: DeliverPolicy.New,
        ack_policy: AckPolicy.None,
        inactive_threshold: nanos(1_000),
        mem_storage: true,
        num_replicas: 1,
      }),
    ),
  );
  const createWall = (performance.now() - from) / 1_000 / CONSUMERS;
  await delay(FORGOTTEN_MS);
  return { request: request / QUESTIONS, connection: connection / CONNECTIONS, createWall };
}
