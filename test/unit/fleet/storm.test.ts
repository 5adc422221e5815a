import { describe, expect, it } from "vitest";
import { type FleetLayout, layOut } from "../../fleet/fleet-of.ts";
import { simulateLoss, type StormOptions } from "../../fleet/storm.ts";
import { costs } from "./costs.ts";

const options: StormOptions = {
  lost: 1,
  seed: 1,
  elections: Array.from({ length: 20 }, () => 5),
  metaElection: 0,
  maxConcurrentLoads: 4,
  serverCores: 4,
  linkBytes: 1e9,
  roundTrip: 0.001,
};
const fleet = { bridges: 90, buckets: 9, keys: 1_000, updates: 0 };
/** JetStream's leader and every bucket's are nodes that stay. */
function led(layout: FleetLayout, leader: number): FleetLayout {
  const buckets = layout.buckets.map((bucket) => ({ ...bucket, leader }));
  return { ...layout, meta: 0, buckets };
}

function lostPairs({ bridges }: FleetLayout): number {
  return bridges.reduce(
    (sum, { node, consumers }) =>
      sum + (node === 1 ? consumers.length : consumers.filter((at) => at === 1).length),
    0,
  );
}

describe("the loss of a node", () => {
  it("makes every pair load again that had its connection or its consumer there, about 5 of 9", () => {
    const layout = led(layOut(fleet, 3, 1), 0);
    const { reloads } = simulateLoss(costs, layout, options);
    expect(reloads).toBe(lostPairs(layout));
    expect(reloads / (fleet.bridges * fleet.buckets)).toBeCloseTo(5 / 9, 1);
  });

  it("sends every key once to each pair that is loaded again", () => {
    const { bytes, reloads } = simulateLoss(costs, led(layOut(fleet, 3, 1), 0), options);
    expect(bytes).toBeCloseTo(reloads * (costs.wire.open + fleet.keys * costs.wire.key));
  });

  it("takes the servers and the bridges what the loads cost, and no more", () => {
    const layout = led(layOut(fleet, 3, 1), 0);
    const storm = simulateLoss(costs, layout, options);
    const { wounded, bridge, connection } = costs;
    const moved = layout.bridges.filter(({ node }) => node === 1).length;
    const ofServers = storm.reloads * (wounded.open + fleet.keys * wounded.key);
    expect(storm.serverCpu).toBeCloseTo(ofServers + moved * connection);
    expect(storm.bridgeCpu).toBeCloseTo(storm.reloads * (bridge.open + fleet.keys * bridge.key));
  });

  it("is the same with the same seed, and another with another", () => {
    const layout = layOut(fleet, 3, 1);
    const times = (seed: number): readonly number[] =>
      simulateLoss(costs, layout, { ...options, seed }).times;
    expect(times(7)).toEqual(times(7));
    expect(times(7)).not.toEqual(times(8));
  });

  it("brings all back in step where there is no jitter, and spread out where there is", () => {
    // Bridges on the nodes that stay, and their consumers on the one that is lost.
    const bridges = Array.from({ length: 8 }, () => ({ node: 0, consumers: [1] }));
    const buckets = [{ keys: 0, leader: 0, updates: 0 }];
    const layout = { nodes: 3, meta: 0, bridges, buckets };
    const free = { ...costs, createWall: 0, wounded: { ...costs.wounded, open: 0 } };
    const spread = (jitter: boolean): number => {
      const { times } = simulateLoss(free, layout, { ...options, jitter });
      return times.at(-1)! - times[0]!;
    };
    expect(spread(false)).toBe(0);
    expect(spread(true)).toBeGreaterThan(0.3);
  });

  it("lets nobody load a bucket before it has a leader again, and everybody soon after", () => {
    const layout = led(layOut(fleet, 3, 1), 1);
    const { times, opened, reloads } = simulateLoss(costs, layout, options);
    expect(times[0]).toBeGreaterThan(5);
    expect(reloads).toBe(lostPairs(layout));
    expect(opened).toBeGreaterThanOrEqual(reloads);
  });

  it("takes longer with fewer loads at a time, and costs the same", () => {
    const layout = led(layOut({ ...fleet, keys: 20_000 }, 3, 1), 0);
    const quick = simulateLoss(costs, layout, { ...options, seed: 3, maxConcurrentLoads: 9 });
    const slow = simulateLoss(costs, layout, { ...options, seed: 3, maxConcurrentLoads: 1 });
    expect(slow.reloads).toBe(quick.reloads);
    expect(slow.bytes).toBeCloseTo(quick.bytes);
    expect(slow.times[0]).toBeLessThan(quick.times[0]!);
  });

  it("waits for the link where that is the narrowest", () => {
    const layout = led(layOut(fleet, 3, 1), 0);
    const linkBytes = 1e6;
    const { times, bytes } = simulateLoss(costs, layout, { ...options, linkBytes });
    // Two nodes are left; what both can send bounds it.
    expect(times.at(-1)).toBeGreaterThan(bytes / (2 * linkBytes));
  });
});
