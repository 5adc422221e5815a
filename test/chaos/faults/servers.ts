import type { ConsumerConfig } from "nats";
import { setTimeout as delay } from "node:timers/promises";
import type { NatsServer } from "../../support/nats-server.ts";
import type { ChaosBucket } from "../bucket.ts";
import { RECOVERY_MS, SILENCE_MS } from "../promises.ts";
import type { Random } from "../random.ts";
import type { World } from "../world.ts";
import type { Fault } from "./fault.ts";

/**
 * One node goes and comes back. What it alone kept in memory is lost with it; what it had discarded, as too much or
 * too old, may be there again.
 */
function outage(
  world: World,
  server: NatsServer,
  random: Random,
  end: () => Promise<void>,
): Promise<void> {
  const { nodes } = world.plan;
  const lost = nodes === 1 ? world.buckets.filter((b) => b.plan.storage === "memory") : [];
  return world.restoring.runExclusive(async () => {
    await holding(lost, async () => {
      const recovered = world.blindness.begin();
      const emptied = lost.map((bucket) => bucket.emptied());
      await end();
      await delay(random.int(0, 1_200));
      for (const bucket of world.buckets) bucket.restored();
      await server.start();
      for (const change of emptied) change.acknowledged();
      for (const bucket of lost) await remake(world, random, bucket);
      await elected(world);
      recovered(nodes === 1 ? RECOVERY_MS : SILENCE_MS + RECOVERY_MS);
    });
    for (const bucket of world.buckets) {
      await bucket.lock.runExclusive(() => world.insist(() => bucket.observe()));
    }
  });
}

/** Resolves when the cluster can do again what a bridge needs of it: every stream is led, and takes new consumers. */
async function elected({ plan, buckets, insist, jsm }: World): Promise<void> {
  if (plan.nodes === 1) return;
  for (const { stream } of buckets) {
    await insist(async () => {
      await jsm.streams.info(stream);
      const { name } = await jsm.consumers.add(stream, {
        ack_policy: "none" as ConsumerConfig["ack_policy"],
        mem_storage: true,
        num_replicas: 1,
      });
      await jsm.consumers.delete(stream, name);
    });
  }
}

/** Nobody else changes these buckets meanwhile. */
function holding<T>(buckets: readonly ChaosBucket[], work: () => Promise<T>): Promise<T> {
  const [first, ...rest] = buckets;
  if (first === undefined) return work();
  return first.lock.runExclusive(() => holding(rest, work));
}

/** Somebody makes the bucket anew, sooner or later. */
async function remake(world: World, random: Random, bucket: ChaosBucket): Promise<void> {
  await delay(random.chance(0.5) ? 0 : random.int(0, 500));
  await world.insist(() => bucket.create());
  await bucket.fill(random, bucket.keys.slice(0, random.int(0, bucket.keys.length)));
}

function exclusively(
  run: (world: World, server: NatsServer, random: Random) => Promise<void>,
  choose: (world: World, random: Random) => NatsServer | Promise<NatsServer> = (world, random) =>
    random.pick(world.servers),
): Fault["run"] {
  return (world, random) =>
    world.changingServers(async () => run(world, await choose(world, random), random));
}

/** The node that leads the stream of one of the buckets. */
async function leader(world: World, random: Random): Promise<NatsServer> {
  const bucket = random.pick(world.buckets);
  const name = await world.insist(async () => {
    const info = await world.jsm.streams.info(bucket.stream);
    return info.cluster?.leader ?? "";
  });
  return world.servers[Number(name.slice(1)) - 1] ?? random.pick(world.servers);
}

const killed = (world: World, server: NatsServer, random: Random): Promise<void> =>
  outage(world, server, random, () => server.kill());

export const serverFaults: readonly Fault[] = [
  { name: "kill", lane: "servers", nodes: [1, 3], run: exclusively(killed) },
  { name: "kill-leader", lane: "servers", nodes: [3], run: exclusively(killed, leader) },
  {
    name: "restart",
    lane: "servers",
    nodes: [1, 3],
    run: exclusively((world, server, random) => outage(world, server, random, () => server.halt())),
  },
  {
    // Short, or long enough that clients and other nodes take it for dead.
    name: "pause",
    lane: "servers",
    nodes: [1, 3],
    run: exclusively(async (world, server, random) => {
      const recovered = world.blindness.begin();
      server.pause();
      await delay(random.chance(0.6) ? random.int(50, 800) : random.int(2_000, 5_000));
      server.resume();
      await elected(world);
      recovered(SILENCE_MS + RECOVERY_MS);
    }),
  },
];
