import { setTimeout as delay } from "node:timers/promises";
import { makeBucket, Updates } from "./buckets.ts";
import { type FleetCluster, type Placement, startFleetCluster } from "./cluster.ts";
import { lose } from "./elections.ts";
import type { FleetLayout } from "./fleet-of.ts";
import { warm } from "./warm.ts";
import { begin, total, usedSince, type Used, windowOf } from "./window.ts";
import { Worker } from "./worker-process.ts";
import type { Sample } from "./worker.ts";

export const SMALL = { bridges: 12, buckets: 4, keys: 2_000, updates: 10 };
const STEADY_S = 30;
/** After the loss of a node; far more than it takes until all is current. */
export const LOSS_S = 25;
const SETTLE_MS = 7_000;

/** What was seen, and by what it was decided that is chance. */
export interface SmallRun {
  readonly layout: FleetLayout;
  readonly lost: number;
  /** When each bucket, and JetStream itself, had a leader again, in seconds after the loss. */
  readonly elections: readonly number[];
  readonly metaElection: number;
  readonly steady: Seen;
  readonly loss: Seen & {
    readonly opened: number;
    readonly reloads: number;
    /** When each pair of a bridge and a bucket was current again, in seconds after the loss, in order. */
    readonly times: readonly number[];
  };
}

export interface Seen {
  readonly seconds: number;
  /** How long before its beginning all buckets had been loaded, in seconds. */
  readonly sinceLoad: number;
  /** Updates that the cluster took. */
  readonly updates: number;
  readonly bytes: number;
  readonly requests: number;
  readonly serverCpu: number;
  readonly bridgeCpu: number;
  /** Listings that audits made. */
  readonly listed: number;
}

/** Bridges that live on a cluster of three, and through the loss of a node. */
export async function smallRun(say: (what: string) => void): Promise<SmallRun> {
  await using cluster = await startFleetCluster();
  const buckets = Array.from({ length: SMALL.buckets }, (_, at) => `small-${at + 1}`);
  for (const bucket of buckets) await makeBucket(cluster, bucket, SMALL.keys);
  const workers = Array.from({ length: SMALL.bridges }, (_, at) => new Worker(`bridge-${at + 1}`));
  try {
    say(`small run: ${SMALL.bridges} bridges start`);
    await Promise.all(workers.map((worker) => worker.start(cluster.urls, buckets)));
    const filled = buckets.map((bucket) => ({ bucket, keys: SMALL.keys }));
    await warm(cluster, workers, filled);
    await delay(SETTLE_MS);
    const updates = new Updates(cluster, filled, SMALL.updates * SMALL.buckets);
    updates.begin();
    await delay(1_000);
    say("small run: steady");
    const sinceLoad = await lastLoadOf(workers);
    const steady = await windowOf(cluster, workers, STEADY_S * 1_000, updates);
    const placement = await cluster.placement(buckets);
    const victim = victimOf(cluster, placement);
    say(`small run: node ${victim} is lost`);
    const loss = await lossOf(cluster, workers, buckets, placement, victim, updates);
    await updates.end();
    return {
      layout: layoutOf(cluster, placement, buckets, workers),
      lost: cluster.names.indexOf(victim),
      steady: { ...seen(steady), sinceLoad },
      ...loss,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  }
}

/** Not JetStream's leader, if others lead a bucket: one election less that is chance. */
function victimOf(cluster: FleetCluster, { meta, leaders, bridges }: Placement): string {
  const size = (node: string): number =>
    [...bridges.values()].filter((bridge) => bridge.node === node).length;
  const others = cluster.names.filter((name) => name !== meta && size(name) > 0);
  const leading = others.filter((name) => [...leaders.values()].includes(name));
  return leading[0] ?? others[0] ?? meta;
}

async function lossOf(
  cluster: FleetCluster,
  workers: readonly Worker[],
  buckets: readonly string[],
  { leaders, meta }: Placement,
  victim: string,
  updates: Updates,
): Promise<Pick<SmallRun, "elections" | "metaElection" | "loss">> {
  const before = await Promise.all(workers.map((worker) => worker.sample()));
  const sinceLoad = await lastLoadOf(workers);
  const taken = updates.total;
  const { killedAt, over } = await lose(cluster, victim, buckets, leaders, meta);
  const end = await begin(cluster, []);
  const elections = await over;
  await delay(Math.max(0, killedAt + LOSS_S * 1_000 - Date.now()));
  const servers = await end();
  const after = await Promise.all(workers.map((worker) => worker.sample()));
  const used = after.map((sample, at) => usedSince(before[at]!, sample));
  const times = timesOf(before, after, killedAt);
  const window = { ...servers, updates: updates.total - taken, workers: used };
  return {
    elections: elections.streams,
    metaElection: elections.meta,
    loss: {
      ...seen(window),
      sinceLoad,
      opened: total(window, "opened"),
      reloads: times.length,
      times,
    },
  };
}

/** How long ago the last bucket was loaded, in seconds. */
async function lastLoadOf(workers: readonly Worker[]): Promise<number> {
  const samples = await Promise.all(workers.map((worker) => worker.sample()));
  const times = samples.flatMap(({ loads }) => loads.map(({ at }) => at));
  return (Date.now() - Math.max(...times)) / 1_000;
}

/** The last load of each pair: those before it were not the end of it. */
function timesOf(before: readonly Sample[], after: readonly Sample[], killedAt: number): number[] {
  const times = after.flatMap(({ loads }, at) => {
    const news = loads.slice(before[at]!.loads.length);
    return [...new Map(news.map((load) => [load.bucket, load.at])).values()];
  });
  return times.map((at) => (at - killedAt) / 1_000).toSorted((one, other) => one - other);
}

function seen(window: {
  seconds: number;
  cpu: number;
  requests: number;
  updates: number;
  workers: readonly Used[];
}): Omit<Seen, "sinceLoad"> {
  return {
    seconds: window.seconds,
    updates: window.updates,
    bytes: total(window, "bytes"),
    requests: window.requests,
    serverCpu: window.cpu,
    bridgeCpu: total(window, "cpu"),
    listed: total(window, "listed"),
  };
}

function layoutOf(
  cluster: FleetCluster,
  { meta, leaders, bridges }: Placement,
  buckets: readonly string[],
  workers: readonly Worker[],
): FleetLayout {
  const node = (name: string | undefined): number => cluster.names.indexOf(name ?? "");
  return {
    nodes: cluster.names.length,
    meta: node(meta),
    buckets: buckets.map((bucket) => ({
      keys: SMALL.keys,
      leader: node(leaders.get(bucket)),
      updates: SMALL.updates,
    })),
    bridges: workers.map(({ name }) => {
      const bridge = bridges.get(name);
      return {
        node: node(bridge?.node),
        consumers: buckets.map((bucket) => node(bridge?.consumers.get(bucket))),
      };
    }),
  };
}
