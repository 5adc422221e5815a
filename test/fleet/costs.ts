import { setTimeout as delay } from "node:timers/promises";
import { makeBucket, Updates } from "./buckets.ts";
import { type FleetCluster, startFleetCluster } from "./cluster.ts";
import {
  type BridgeCosts,
  type Costs,
  COUNTED_S,
  type ServerCosts,
  type WireCosts,
} from "./cost-table.ts";
import { startCrowd } from "./crowd.ts";
import { lose } from "./elections.ts";
import { line, plane, sum } from "./fit.ts";
import { measurePeak } from "./peak.ts";
import { measureRequests, openings } from "./requests.ts";
import { reloadAll, warm } from "./warm.ts";
import { begin, joined, total, type Window, windowOf } from "./window.ts";
import { Worker } from "./worker-process.ts";

const WINDOW_MS = 6_000;
/** Quiet times and busy ones take turns, so that what else the machine does falls on both. */
const TURNS = 3;
const TURN_MS = 1_500;
/** A consumer is forgotten 5 s after its bridge has gone. */
const FORGOTTEN_MS = 7_000;
const UPDATES_PER_BUCKET = 10;
const BUCKETS = [
  { bucket: "cost-1", keys: 10_000 },
  { bucket: "cost-2", keys: 200 },
  { bucket: "cost-3", keys: 200 },
  { bucket: "cost-4", keys: 200 },
  { bucket: "cost-5", keys: 200 },
  { bucket: "cost-6", keys: 200 },
];
const NAMES = BUCKETS.map(({ bucket }) => bucket);
/** Many keys in one bucket; next to none in many; some of both: so each cost shows by itself. */
const WATCHED: readonly (readonly number[])[] = [[0], [1, 2, 3, 4, 5], [0, 1, 2]];
const OPENINGS = 60;

const consumersOf = WATCHED.map((buckets) => buckets.length);
const keysOf = WATCHED.map((buckets) => sum(buckets.map((at) => BUCKETS[at]!.keys)));

/** What each thing costs, measured with one to three bridges, with all three nodes and then with one lost. */
export async function measureCosts(say: (what: string) => void): Promise<Costs> {
  await using cluster = await startFleetCluster();
  say("costs: a cluster of three, without streams");
  const empty = await idleOf(cluster);
  for (const { bucket, keys } of BUCKETS) await makeBucket(cluster, bucket, keys);
  say("costs: with all nodes");
  const healthy = await measureState(cluster, empty);
  say("costs: single requests");
  const single = await measureRequests(cluster, await idleOf(cluster), NAMES[1]!);
  say("costs: a bridge at its limit");
  const peak = await measurePeak(cluster);
  for (const bucket of ["large", "small"]) await cluster.manager.streams.delete(`KV_${bucket}`);
  say("costs: with one node lost");
  const { leaders, meta } = await cluster.placement(NAMES);
  const lost = cluster.names.find((name) => name !== meta && [...leaders.values()].includes(name));
  const { over } = await lose(cluster, lost ?? meta, NAMES, leaders, meta);
  const { streams } = await over;
  await delay(FORGOTTEN_MS);
  const wounded = await measureState(cluster, (empty * 2) / 3);
  const elections = streams.filter((seconds) => seconds > 0);
  return {
    healthy: healthy.servers,
    wounded: wounded.servers,
    bridge: wounded.bridge,
    wire: wounded.wire,
    requestsPerOpen: wounded.requestsPerOpen,
    peak,
    ...single,
    elections,
  };
}

async function idleOf(cluster: FleetCluster): Promise<number> {
  const { cpu, seconds } = await windowOf(cluster, [], TURNS * WINDOW_MS);
  return cpu / seconds;
}

interface State {
  readonly servers: ServerCosts;
  readonly bridge: BridgeCosts;
  readonly wire: WireCosts;
  readonly requestsPerOpen: number;
}

/** Everything at once is a sum; so things are added one by one, and each costs what it adds. */
async function measureState(cluster: FleetCluster, empty: number): Promise<State> {
  const [still, alone] = await turns(cluster, []);
  const base = still.cpu / still.seconds;
  const few = await openings(cluster, base, NAMES[1]!, OPENINGS);
  const many = await openings(cluster, base, NAMES[0]!, OPENINGS);
  const workers = WATCHED.map((_, index) => new Worker(`cost-bridge-${index}`));
  try {
    await Promise.all(
      workers.map((worker, index) =>
        worker.start(
          cluster.running,
          WATCHED[index]!.map((at) => NAMES[at]!),
          "30m",
        ),
      ),
    );
    await warm(cluster, workers, BUCKETS);
    await using crowd = await startCrowd(cluster, NAMES);
    await delay(FORGOTTEN_MS);
    const [quiet, busy] = await turns(cluster, workers);
    const consumers = sum(consumersOf) + crowd.consumers;
    const again = await reloading(cluster, workers);
    const key = (many - few) / (BUCKETS[0]!.keys - BUCKETS[1]!.keys);
    const servers = serversOf({ empty, base, alone, quiet, busy, consumers });
    return {
      servers: { ...servers, key, open: few - key * BUCKETS[1]!.keys },
      ...bridgeOf(quiet, busy, again),
      requestsPerOpen: again.requests / TURNS / sum(consumersOf),
    };
  } finally {
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
    await delay(FORGOTTEN_MS);
  }
}

/** Quiet, and with updates. */
async function turns(
  cluster: FleetCluster,
  workers: readonly Worker[],
): Promise<readonly [Window, Window]> {
  const quiet: Window[] = [];
  const busy: Window[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    quiet.push(await windowOf(cluster, workers, WINDOW_MS));
    const updates = new Updates(cluster, BUCKETS, BUCKETS.length * UPDATES_PER_BUCKET);
    updates.begin();
    await delay(TURN_MS);
    busy.push(await windowOf(cluster, workers, WINDOW_MS, updates));
    await updates.end();
    await delay(TURN_MS);
  }
  return [joined(quiet), joined(busy)];
}

/** All buckets again, several times. */
async function reloading(cluster: FleetCluster, workers: readonly Worker[]): Promise<Window> {
  const windows: Window[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const end = await begin(cluster, workers);
    await reloadAll(workers);
    await delay(COUNTED_S * 1_000);
    windows.push(await end());
  }
  return joined(windows);
}

interface Steps {
  readonly empty: number;
  readonly base: number;
  readonly alone: Window;
  readonly quiet: Window;
  readonly busy: Window;
  readonly consumers: number;
}

function serversOf(steps: Steps): Omit<ServerCosts, "open" | "key"> {
  const { empty, base, alone, quiet, busy, consumers } = steps;
  const update = (alone.cpu - base * alone.seconds) / alone.updates;
  const deliveries = (busy.updates * consumers) / BUCKETS.length;
  // With updates there are no heartbeats, which is all that a quiet consumer costs.
  const delivery = (busy.cpu - base * busy.seconds - update * busy.updates) / deliveries;
  return {
    idle: empty,
    stream: (base - empty) / BUCKETS.length,
    consumer: (quiet.cpu / quiet.seconds - base) / consumers,
    update,
    delivery,
  };
}

function bridgeOf(quiet: Window, busy: Window, again: Window): Pick<State, "bridge" | "wire"> {
  const rates = quiet.workers.map(({ cpu }) => cpu / quiet.seconds);
  const idle = line(consumersOf, rates);
  const aboveIdle = (window: Window): number[] =>
    window.workers.map(({ cpu }, at) => cpu - rates[at]! * window.seconds);
  const each = (ofAll: number): number => ofAll / TURNS;
  const reload = plane(consumersOf, keysOf, aboveIdle(again).map(each));
  const heartbeat = total(quiet, "bytes") / (sum(consumersOf) * quiet.seconds);
  const sent = again.workers.map(({ bytes }, at) =>
    each(bytes - heartbeat * consumersOf[at]! * again.seconds),
  );
  const wire = plane(consumersOf, keysOf, sent);
  return {
    bridge: {
      idle: idle.intercept,
      bucket: idle.slope,
      update: sum(aboveIdle(busy)) / total(busy, "entries"),
      open: reload.first,
      key: reload.second,
    },
    wire: {
      heartbeat,
      update: total(busy, "bytes") / total(busy, "entries"),
      open: wire.first,
      key: wire.second,
    },
  };
}
