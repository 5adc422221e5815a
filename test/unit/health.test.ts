import { describe, expect, it } from "vitest";
import { type HealthFacts, healthOf } from "../../src/health.ts";
import type { WatchedBucketStatus } from "../../src/watch/manager-status.ts";

const BUCKET: WatchedBucketStatus = {
  bucket: "a",
  state: "live",
  stale: false,
  reloads: 0,
  repairs: {},
  repaired: 0,
  evictions: 0,
  pins: 0,
};

function facts(change: Partial<HealthFacts>, bucket: Partial<WatchedBucketStatus> = {}) {
  return healthOf({
    nats: { state: "connected" },
    policyActive: true,
    bundles: {},
    rootBucket: "",
    watch: { buckets: [{ ...BUCKET, ...bucket }] } as unknown as HealthFacts["watch"],
    ...change,
  });
}

describe("R4 O34 health", () => {
  it("R4 O15 is ready when all is well, and through an ordinary reconnect", () => {
    expect(facts({})).toEqual({
      live: true,
      ready: true,
      nats: "connected",
      policy: true,
      bundles: true,
      warnings: [],
      reasons: [],
    });
    const away = { state: "recovering", ageMs: 3_600_000, failingMs: 3_600_000 } as const;
    expect(facts({ nats: { state: "disconnected" } }, away).ready).toBe(true);
    expect(facts({ rootBucket: "a" }, { state: "recovering" }).ready).toBe(true);
  });

  it("R4 says what has not loaded", () => {
    expect(facts({ rootBucket: "a" }, { state: "loading" }).reasons).toEqual([
      "the root bucket a is not loaded",
    ]);
    expect(facts({ rootBucket: "a" }, { state: "failed" }).ready).toBe(false);
    expect(facts({ rootBucket: "b" }).ready).toBe(false);
    expect(facts({ policyActive: false }).reasons).toEqual(["no policy is active"]);
    expect(facts({ nats: { state: "connecting", lastError: "refused" } }).reasons).toEqual([
      "NATS is not connected (refused)",
    ]);
  });

  it("R4 O15 O28 is neither live nor ready once the connection was given up", () => {
    expect(facts({ nats: { state: "failed" } })).toMatchObject({ live: false, ready: false });
    expect(facts({ nats: { state: "disconnected" } })).toMatchObject({ live: true });
  });

  it("R4 C5 is not ready while a copy is over its budget, unless it is to be served all the same", () => {
    const stale = { stale: true, ageMs: 12_400 } as const;
    for (const onStale of ["flag", "hide", "unavailable"] as const) {
      expect(facts({}, { ...stale, onStale }).reasons).toEqual([
        'bucket "a" is over its staleness budget (12 s old)',
      ]);
    }
    expect(facts({}, { ...stale, onStale: "serve" }).ready).toBe(true);
  });

  it("R4 is not ready while a bucket can't be followed although NATS is connected, after a while", () => {
    const failing = { state: "recovering", lastError: "denied" } as const;
    expect(facts({}, { ...failing, failingMs: 29_000 }).ready).toBe(true);
    expect(facts({}, { ...failing, failingMs: 31_000 }).reasons).toEqual([
      'bucket "a" can\'t be followed (denied)',
    ]);
  });
});
