import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BucketRules } from "../../../src/watch/bucket-rules.ts";
import { type FakeRun, FakeSource } from "./support/fake-source.ts";
import { makeManager, settled } from "./support/make.ts";

/** Buckets whose names begin with `real` exist. */
function realOnes(run: FakeRun): void {
  queueMicrotask(() => {
    if (run.bucket.startsWith("real")) run.load({ name: run.bucket });
    else run.end("BUCKET_NOT_FOUND");
  });
}

describe("names", () => {
  const wrong = [
    "",
    "*",
    ">",
    "../x",
    "a.b",
    "a b",
    "ä",
    "a\u0000",
    "x".repeat(253),
    "x".repeat(10_240),
  ];

  it.each(wrong)("W7 %j is no bucket's name: nothing is opened or remembered", async (name) => {
    const { manager, source } = makeManager();
    const refused = manager.getOrCreateWatcher(name);
    await expect(refused).rejects.toMatchObject({ code: "BUCKET_NAME", retryable: false });
    const message = await refused.then(
      () => "",
      (error: Error) => error.message,
    );
    expect(message.length).toBeLessThan(200);
    expect(manager.hasWatcher(name)).toBe(false);
    expect(manager.use(name)).toBe(false);
    manager.pin(name)();
    expect(source.runs).toEqual([]);
    expect(manager.status().remembered).toEqual({
      failures: 0,
      evictions: 0,
      known: 0,
      creating: 0,
      pinned: 0,
    });
  });

  it.each([
    { allow: ["team-*"], deny: [], bucket: "team-a", allowed: true },
    { allow: ["team-*"], deny: [], bucket: "Team-a", allowed: false },
    { allow: ["team-*"], deny: ["*-secret"], bucket: "team-secret", allowed: false },
    { allow: ["*"], deny: ["*"], bucket: "a", allowed: false },
    { allow: [], deny: [], bucket: "a", allowed: false },
    { allow: ["a"], deny: [], bucket: "ab", allowed: false },
    { allow: ["__proto__"], deny: [], bucket: "__proto__", allowed: true },
  ])(
    "W7 allow $allow, deny $deny: $bucket → $allowed",
    async ({ allow, deny, bucket, allowed }) => {
      const { manager, source } = makeManager({ rules: new BucketRules({ allow, deny }) });
      const outcome = await manager.getOrCreateWatcher(bucket).then(
        () => true,
        (error: { code: string }) => error.code,
      );
      expect(outcome).toBe(allowed || "BUCKET_NOT_ALLOWED");
      expect(source.runs).toHaveLength(allowed ? 1 : 0);
    },
  );
});

describe("unknown buckets", () => {
  const { stackTraceLimit } = Error;

  // A hundred thousand refusals are as many errors, whose stacks nobody reads and take seconds to make.
  beforeEach(() => {
    Error.stackTraceLimit = 0;
  });

  afterEach(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });

  it("W7 a missing bucket is remembered for a short while and never takes a place", async () => {
    const { manager, source, clock } = makeManager({
      source: new FakeSource(realOnes),
      maxBucketWatchers: 1,
    });
    await manager.getOrCreateWatcher("real");
    for (let ask = 0; ask < 3; ask++) {
      await expect(manager.getOrCreateWatcher("nope")).rejects.toMatchObject({
        code: "BUCKET_NOT_FOUND",
      });
    }
    expect(source.runs).toHaveLength(2);
    expect(manager.recentFailure("nope")).toMatchObject({ code: "BUCKET_NOT_FOUND" });
    expect(manager.hasWatcher("real")).toBe(true);
    clock.advance(10_001);
    expect(manager.recentFailure("nope")).toBeUndefined();
    await expect(manager.getOrCreateWatcher("nope")).rejects.toThrow("BUCKET_NOT_FOUND");
    expect(source.runs).toHaveLength(3);
  });

  it("W7 100,000 random names cause a bounded number of lookups, evict nothing and leave no memory behind", async () => {
    const { manager, source, clock } = makeManager({
      source: new FakeSource(realOnes),
      maxBucketWatchers: 2,
    });
    const watched = await Promise.all(
      ["real-1", "real-2"].map((bucket) => manager.getOrCreateWatcher(bucket)),
    );
    const opened = source.runs.length;
    const codes = new Map<string, number>();
    let mostCreating = 0;
    for (let batch = 0; batch < 100; batch++) {
      const asked = Array.from({ length: 1_000 }, (_, index) =>
        manager.getOrCreateWatcher(`made-up-${batch}-${index}`).catch(({ code }) => {
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }),
      );
      mostCreating = Math.max(mostCreating, manager.status().remembered.creating);
      await Promise.all(asked);
      clock.advance(50);
    }
    // 100 at once, 20 each second for 5 s, and no more than the loads that were under way.
    expect(source.runs.length - opened).toBeLessThanOrEqual(100 + 100 + 4);
    expect(source.runs.length - opened).toBeGreaterThan(150);
    expect(codes.get("BUCKET_NOT_FOUND")).toBe(source.runs.length - opened);
    expect(codes.get("BUCKET_LOOKUPS_LIMITED")).toBe(100_000 - source.runs.length + opened);
    expect(mostCreating).toBeLessThanOrEqual(1_004);
    // Those that are watched never notice.
    expect(["real-1", "real-2"].map((bucket) => manager.watcher(bucket))).toEqual(watched);
    expect(await manager.getOrCreateWatcher("real-1")).toBe(watched[0]);
    expect(manager.status().counts.lru).toBe(0);
    expect(manager.status().remembered).toMatchObject({ known: 2, creating: 0, pinned: 0 });
    expect(manager.status().remembered.failures).toBeLessThanOrEqual(204);
    expect(manager.status().failures).toHaveLength(100);
    // Nor is a refusal remembered: a real bucket is watched as soon as there are lookups to be had.
    clock.advance(60_000);
    await manager.getOrCreateWatcher("real-3");
    expect(manager.hasWatcher("real-3")).toBe(true);
  }, 30_000);

  it("W7 100,000 names asked for at the same moment leave no more than the waiting list", async () => {
    const { manager, source } = makeManager({
      source: new FakeSource(realOnes),
      maxConcurrentLoads: 4,
    });
    const asked = Array.from({ length: 100_000 }, (_, index) =>
      manager.getOrCreateWatcher(`made-up-${index}`).then(
        () => "?",
        ({ code }: { code: string }) => code,
      ),
    );
    expect(manager.status().remembered.creating).toBe(1_004);
    const codes = new Set(await Promise.all(asked));
    expect(codes).toEqual(new Set(["BUCKET_NOT_FOUND", "BUCKET_LOOKUPS_LIMITED"]));
    expect(source.runs.length).toBeLessThanOrEqual(104);
    expect(manager.status().remembered.creating).toBe(0);
  }, 30_000);

  it("W7 buckets that exist cost no lookups, however many are asked for", async () => {
    const { manager, source } = makeManager({
      source: new FakeSource(realOnes),
      maxBucketWatchers: 3,
      lookups: { burst: 5, refillPerSecond: 1 },
    });
    for (let bucket = 0; bucket < 100; bucket++) await manager.getOrCreateWatcher(`real-${bucket}`);
    expect(source.runs).toHaveLength(100);
  });

  it("W7 a bucket that was watched before is looked up although made-up names have used up the lookups", async () => {
    const { manager } = makeManager({
      source: new FakeSource(realOnes),
      lookups: { burst: 3, refillPerSecond: 1 },
    });
    await manager.getOrCreateWatcher("real");
    await manager.evict("real");
    for (let name = 0; name < 10; name++) {
      await manager.getOrCreateWatcher(`made-up-${name}`).catch(() => undefined);
    }
    await expect(manager.getOrCreateWatcher("real-new")).rejects.toMatchObject({
      code: "BUCKET_LOOKUPS_LIMITED",
      retryable: true,
    });
    await manager.getOrCreateWatcher("real");
    expect(manager.hasWatcher("real")).toBe(true);
  });

  it("W7 a bucket beyond the waiting list is refused at once, and those that wait are loaded", async () => {
    const { manager, source } = makeManager({
      source: new FakeSource(),
      maxConcurrentLoads: 1,
      maxWaitingLoads: 2,
    });
    const asked = ["a", "b", "c"].map((bucket) => manager.getOrCreateWatcher(bucket));
    await expect(manager.getOrCreateWatcher("d")).rejects.toMatchObject({
      code: "BUCKET_LOOKUPS_LIMITED",
    });
    // Whoever wants the same bucket as another waits with it.
    asked.push(manager.getOrCreateWatcher("c"));
    for (const bucket of ["a", "b", "c"]) {
      await settled();
      source.last(bucket).load();
    }
    await Promise.all(asked);
    expect(manager.recentFailure("d")).toBeUndefined();
    expect(manager.status().watchers).toBe(3);
  });
});
