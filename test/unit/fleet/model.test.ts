import { describe, expect, it } from "vitest";
import {
  AUDIT_S,
  auditsWithin,
  bucketsAt,
  capacityFor,
  keysIn,
  steadyLoad,
  updatesAt,
} from "../../fleet/model.ts";
import { costs } from "./costs.ts";

const fleet = { bridges: 10, buckets: 4, keys: 1_000, updates: 5 };

describe("the steady load of a fleet", () => {
  it("is one delivery for each update and bridge, and one consumer for each bucket and bridge", () => {
    const load = steadyLoad(costs, fleet);
    expect(load.consumers).toBe(40);
    expect(load.deliveries).toBe(10 * 4 * 5);
    expect(load.requests).toBeCloseTo(40 / AUDIT_S);
  });

  it("is heartbeats where nothing is updated, and none where each second has updates", () => {
    expect(steadyLoad(costs, { ...fleet, updates: 0 }).bytes).toBe(40 * costs.wire.heartbeat);
    const busy = steadyLoad(costs, { ...fleet, updates: 50 });
    expect(busy.bytes).toBeCloseTo(busy.deliveries * costs.wire.update);
  });

  it("costs the servers what no bridge changes, and then as much for each bridge", () => {
    const at = (bridges: number): number => steadyLoad(costs, { ...fleet, bridges }).serverCpu;
    expect(at(0)).toBeCloseTo(
      costs.healthy.idle + 4 * (costs.healthy.stream + 5 * costs.healthy.update),
    );
    expect(at(30) - at(20)).toBeCloseTo(at(20) - at(10));
    expect(at(20)).toBeGreaterThan(at(10));
  });

  it("does not depend on the keys, which cost only when they are loaded", () => {
    expect(steadyLoad(costs, { ...fleet, keys: 1_000_000 })).toEqual(steadyLoad(costs, fleet));
  });
});

describe("the capacity of one bridge", () => {
  it("fills the memory with as many keys as take it up", () => {
    const keys = keysIn(costs, 2 ** 30);
    expect(capacityFor(costs, keys, 1).memoryBytes).toBeLessThanOrEqual(2 ** 30);
    expect(capacityFor(costs, keys + 1, 1).memoryBytes).toBeGreaterThan(2 ** 30);
  });

  it("is nothing where there is not even room for the bridge", () => {
    expect(keysIn(costs, 1e6)).toBe(0);
    expect(updatesAt(costs, 0.001, 1)).toBe(0);
    expect(bucketsAt(costs, 0.001)).toBe(0);
  });

  it("spends what updates leave to it on buckets, and the other way round", () => {
    const share = 0.5;
    const updates = updatesAt(costs, share, 100);
    const spent = costs.bridge.idle + 100 * costs.bridge.bucket + updates * costs.peak.update;
    expect(spent).toBeCloseTo(share);
    expect(updatesAt(costs, share, 200)).toBeLessThan(updates);
  });
});

describe("the audits after a load", () => {
  it("come after one second at the latest, then each after twice the time, up to the interval", () => {
    // On average after 0.5, 2.5, 6.5, 14.5, 30.5 and 60.5 s.
    const seconds = [0, 1, 3, 7, 15, 31, 61, 91];
    expect(seconds.map(auditsWithin)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(auditsWithin(0.5)).toBeCloseTo(0.5);
  });
});
