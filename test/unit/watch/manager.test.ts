import { describe, expect, it, vi } from "vitest";
import type { Logger } from "../../../src/common/logger.ts";
import { silentLogger } from "../../../src/common/logger.ts";
import { FakeSource, loadsAtOnce } from "./support/fake-source.ts";
import { documentOf, makeManager, settled } from "./support/make.ts";

describe("pins", () => {
  it("W6 a pinned bucket is never the victim, even when it is the least recently used", async () => {
    const { manager } = makeManager({ maxBucketWatchers: 2 });
    await manager.getOrCreateWatcher("a");
    const unpin = manager.pin("a");
    const unpinAgain = manager.pin("a");
    await manager.getOrCreateWatcher("b");
    await manager.getOrCreateWatcher("c");
    expect(manager.hasWatcher("a")).toBe(true);
    expect(manager.hasWatcher("b")).toBe(false);
    // Pins are counted, and a pin counts once however often it is released.
    unpin();
    unpin();
    await manager.getOrCreateWatcher("d");
    expect(manager.hasWatcher("a")).toBe(true);
    expect(manager.status().buckets.find(({ bucket }) => bucket === "a")).toMatchObject({
      pins: 1,
    });
    unpinAgain();
    await manager.getOrCreateWatcher("e");
    expect(manager.hasWatcher("a")).toBe(false);
    expect(manager.status().remembered.pinned).toBe(0);
  });

  it("W6 when all are pinned a create fails with WATCHERS_ALL_PINNED, and no load is started", async () => {
    const { manager, source } = makeManager({ maxBucketWatchers: 1 });
    await manager.getOrCreateWatcher("a");
    const unpin = manager.pin("a");
    await expect(manager.getOrCreateWatcher("b")).rejects.toMatchObject({
      code: "WATCHERS_ALL_PINNED",
      retryable: true,
    });
    expect(source.runs).toHaveLength(1);
    // Not remembered: as soon as there is room it works.
    expect(manager.recentFailure("b")).toBeUndefined();
    unpin();
    await manager.getOrCreateWatcher("b");
    expect(manager.hasWatcher("b")).toBe(true);
  });

  it("W6 a create that waited for room asks again whether anything can go before it loads", async () => {
    const source = new FakeSource((run) => {
      if (run.bucket === "a") loadsAtOnce(run);
    });
    const { manager } = makeManager({ source, maxBucketWatchers: 1, maxConcurrentLoads: 1 });
    await manager.getOrCreateWatcher("a");
    const [first, second] = ["b", "c"].map((bucket) => manager.getOrCreateWatcher(bucket));
    await settled();
    manager.pin("a");
    source.last("b").load();
    await expect(first).rejects.toMatchObject({ code: "WATCHERS_ALL_PINNED" });
    await expect(second).rejects.toMatchObject({ code: "WATCHERS_ALL_PINNED" });
    expect(source.runs.map(({ bucket }) => bucket)).toEqual(["a", "b"]);
    expect(source.running().map(({ bucket }) => bucket)).toEqual(["a"]);
  });
});

describe("the places", () => {
  it("W3 the least recently used makes room; hasWatcher counts as no use, a query does", async () => {
    const { manager, store } = makeManager({ maxBucketWatchers: 2 });
    await manager.getOrCreateWatcher("a");
    await manager.getOrCreateWatcher("b");
    manager.use("a");
    manager.hasWatcher("b");
    manager.watcher("b");
    await manager.getOrCreateWatcher("c");
    await settled();
    expect(store.buckets()).toEqual(["a", "c"]);
    expect(manager.status().counts).toMatchObject({ created: 3, lru: 1 });
  });

  it("W6 a bucket that is loaded again soon after its eviction counts as thrash, and is warned of once", async () => {
    const warn = vi.fn<Logger["warn"]>();
    const { manager, clock } = makeManager({
      maxBucketWatchers: 1,
      logger: { ...silentLogger, warn },
    });
    for (const bucket of ["a", "b", "a", "b"]) await manager.getOrCreateWatcher(bucket);
    expect(manager.status().counts.thrash).toBe(2);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]).toEqual([
      { bucket: "a", max_bucket_watchers: 1 },
      expect.stringContaining("max_bucket_watchers"),
    ]);
    // Much later it is no thrash, but the evictions are still known.
    clock.advance(61_000);
    await manager.getOrCreateWatcher("a");
    expect(manager.status().counts).toMatchObject({ thrash: 2, lru: 4 });
    expect(manager.status().buckets).toMatchObject([{ bucket: "a", evictions: 2 }]);
  });

  it("W6 an eviction by hand is no thrash", async () => {
    const { manager } = makeManager();
    await manager.getOrCreateWatcher("a");
    expect(await manager.evict("a")).toBe(true);
    expect(await manager.evict("a")).toBe(false);
    await manager.getOrCreateWatcher("a");
    expect(manager.status().counts).toMatchObject({ manual: 1, thrash: 0, created: 2 });
  });

  it("W8 a watcher that no query has used for ttl is stopped; a use or the end of a pin begins it anew", async () => {
    const { manager, clock, store } = makeManager({ ttlMs: 1_000 });
    for (const bucket of ["idle", "used", "pinned"]) await manager.getOrCreateWatcher(bucket);
    const unpin = manager.pin("pinned");
    clock.advance(600);
    manager.use("used");
    clock.advance(600);
    await settled();
    expect(store.buckets()).toEqual(["used", "pinned"]);
    clock.advance(10_000);
    await settled();
    expect(store.buckets()).toEqual(["pinned"]);
    unpin();
    clock.advance(900);
    await settled();
    expect(manager.hasWatcher("pinned")).toBe(true);
    clock.advance(600);
    await settled();
    expect(store.buckets()).toEqual([]);
    expect(manager.status().counts.idle).toBe(3);
    await manager.stop();
    expect(clock.timers).toBe(0);
  });

  it("W3 a watcher that was stopped behind the manager's back is replaced", async () => {
    const { manager, store } = makeManager();
    const first = await manager.getOrCreateWatcher("a");
    await first.stop();
    expect(manager.hasWatcher("a")).toBe(false);
    const second = await manager.getOrCreateWatcher("a");
    expect(second).not.toBe(first);
    expect(documentOf(store, "a")).toEqual({ name: "a" });
    expect(manager.status().watchers).toBe(1);
    await manager.stop();
  });

  it("W5 a watcher that fails is forgotten at once, with its reason, and asked for again later", async () => {
    const { manager, source, clock, store } = makeManager();
    await manager.getOrCreateWatcher("a");
    source.last("a").end("BUCKET_NOT_FOUND");
    await settled();
    expect(manager.hasWatcher("a")).toBe(false);
    expect(store.buckets()).toEqual([]);
    expect(manager.status()).toMatchObject({
      watchers: 0,
      bytes: 0,
      failures: [{ bucket: "a", code: "BUCKET_NOT_FOUND" }],
    });
    await expect(manager.getOrCreateWatcher("a")).rejects.toMatchObject({
      code: "BUCKET_NOT_FOUND",
    });
    expect(source.runs).toHaveLength(1);
    clock.advance(10_001);
    await manager.getOrCreateWatcher("a");
    expect(manager.hasWatcher("a")).toBe(true);
  });

  it("W5 a watcher that fails at any moment between its load and its insert leaves nothing in its place", async () => {
    const outcomes = new Set<string>();
    for (let ticks = 0; ticks < 40; ticks++) {
      const { manager, source, store } = makeManager({ missingBucketTtlMs: 0 });
      store.onCommit(({ changes }) => {
        if (changes[0]?.type !== "mount") return;
        void (async () => {
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          source.last().end("BUCKET_NOT_FOUND");
        })();
      });
      const outcome = await manager.getOrCreateWatcher("a").then(
        () => "inserted",
        (error: { code: string }) => error.code,
      );
      outcomes.add(outcome);
      await settled();
      expect(manager.status()).toMatchObject({ watchers: 0, bytes: 0, buckets: [] });
      expect(store.buckets()).toEqual([]);
    }
    expect(outcomes).toEqual(new Set(["BUCKET_NOT_FOUND", "inserted"]));
  });
});
