import { describe, expect, it } from "vitest";
import { FakeSource } from "./support/fake-source.ts";
import { documentOf, makeManager, settled } from "./support/make.ts";

describe("loading many buckets", () => {
  it("W1 as many as allowed load at the same time, never more, and all of them get loaded", async () => {
    const { manager, source } = makeManager({
      source: new FakeSource(),
      maxConcurrentLoads: 3,
      maxBucketWatchers: 20,
    });
    const names = Array.from({ length: 12 }, (_, index) => `b${index}`);
    const created = Promise.all(names.map((name) => manager.getOrCreateWatcher(name)));
    const loading = (): string[] =>
      manager
        .status()
        .buckets.filter(({ state }) => state === "loading")
        .map(({ bucket }) => bucket);
    let most = 0;
    for (let round = 0; round < names.length; round++) {
      await settled();
      most = Math.max(most, loading().length);
      // The last one first: order is nobody's right.
      source.last(loading().at(-1)).load({ a: 1 });
    }
    await created;
    expect(most).toBe(3);
    expect(manager.status().watchers).toBe(12);
  });

  it("W1 W7 one that fails fails alone, with its reason in the status", async () => {
    const { manager, source, clock, store } = makeManager({
      source: new FakeSource(),
      maxConcurrentLoads: 8,
      loadTimeoutMs: 5_000,
      maxBucketKeys: 3,
    });
    const names = ["good", "missing", "forbidden", "large", "silent", "better"];
    const outcomes = Promise.all(
      names.map((name) =>
        manager.getOrCreateWatcher(name).then(
          () => "live",
          ({ code }: { code: string }) => code,
        ),
      ),
    );
    await settled();
    source.last("good").load({ a: 1 });
    source.last("missing").end("BUCKET_NOT_FOUND");
    source.last("forbidden").end("BUCKET_FORBIDDEN");
    source.last("large").load({ a: 1, b: 2, c: 3, d: 4 });
    source.last("silent").opened().put("a", 1);
    source.last("better").load({ a: 2 });
    await settled();
    clock.advance(5_000);
    expect(await outcomes).toEqual([
      "live",
      "BUCKET_NOT_FOUND",
      "BUCKET_FORBIDDEN",
      "BUCKET_OVER_BUDGET",
      "BUCKET_LOAD_TIMEOUT",
      "live",
    ]);
    expect(store.buckets()).toEqual(["good", "better"]);
    expect(
      store.commits.flatMap(({ changes }) => changes).every(({ type }) => type === "mount"),
    ).toBe(true);
    const { failures, buckets, bytes } = manager.status();
    expect(Object.fromEntries(failures.map(({ bucket, code }) => [bucket, code]))).toEqual({
      missing: "BUCKET_NOT_FOUND",
      forbidden: "BUCKET_FORBIDDEN",
      large: "BUCKET_OVER_BUDGET",
      silent: "BUCKET_LOAD_TIMEOUT",
    });
    expect(failures.find(({ bucket }) => bucket === "large")?.message).toContain("max_bucket_keys");
    expect(Object.fromEntries(buckets.map(({ bucket, state }) => [bucket, state]))).toEqual({
      good: "live",
      better: "live",
    });
    expect(bytes).toBe(2 * "a1".length);
  });

  it("W7 the budget of all buckets together: who outgrows it fails alone, and an eviction frees its share", async () => {
    const { manager, source, store } = makeManager({
      source: new FakeSource(),
      maxTotalBytes: 100,
    });
    const load = async (bucket: string, length: number): Promise<unknown> => {
      const created = manager.getOrCreateWatcher(bucket);
      await settled();
      source.last(bucket).load({ k: "x".repeat(length - 3) });
      return created.then(
        () => "live",
        ({ code }: { code: string }) => code,
      );
    };
    expect(await load("a", 40)).toBe("live");
    expect(await load("b", 40)).toBe("live");
    expect(manager.status().bytes).toBe(80);
    expect(await load("c", 21)).toBe("BUCKET_OVER_BUDGET");
    expect(manager.status().failures[0]?.message).toContain("max_total_bytes");
    expect(manager.status().bytes).toBe(80);
    // "b" may still change and shrink, and "a" grow up to the limit.
    source.last("b").put("k", "y".repeat(30));
    source.last("a").put("l", "z".repeat(20));
    await settled();
    expect(manager.status().bytes).toBe(40 + 33 + 23);
    expect(store.buckets()).toEqual(["a", "b"]);
    // Live growth over it takes the bucket out that grew.
    source.last("a").put("m", "z".repeat(20));
    await settled();
    expect(store.buckets()).toEqual(["b"]);
    expect(manager.recentFailure("a")).toMatchObject({ code: "BUCKET_OVER_BUDGET" });
    expect(manager.status().bytes).toBe(33);
    expect(await manager.evict("b")).toBe(true);
    expect(manager.status().bytes).toBe(0);
    expect(await load("d", 100)).toBe("live");
  });

  it("W7 the budget of one bucket's bytes counts what is there, not what was overwritten", async () => {
    const { manager, source, store } = makeManager({
      source: new FakeSource(),
      maxBucketBytes: 30,
    });
    const created = manager.getOrCreateWatcher("a");
    await settled();
    source.last().opened();
    for (let round = 0; round < 10; round++) source.last().put("k", "x".repeat(20)).delete("k");
    source.last().put("k", "last").loaded();
    await created;
    for (let round = 0; round < 10; round++) source.last().put("k", "x".repeat(20));
    await settled();
    expect(documentOf(store, "a")).toEqual({ k: "x".repeat(20) });
    expect(manager.status().bytes).toBe(23);
  });

  it("W8 the status of a bucket says how it is: state, revision, keys, bytes, hidden, load time, evictions, last error", async () => {
    const { manager, source, clock } = makeManager({ source: new FakeSource() });
    const created = manager.getOrCreateWatcher("a");
    await settled();
    expect(manager.status().buckets).toMatchObject([
      { bucket: "a", state: "loading", evictions: 0, pins: 0 },
    ]);
    source.last().opened("made-then").put("x", 1).put("x.y", 2);
    clock.advance(250);
    source.last().loaded();
    await created;
    clock.advance(7);
    expect(manager.status().buckets).toEqual([
      {
        bucket: "a",
        state: "live",
        incarnation: "made-then",
        revision: 2,
        keys: 2,
        bytes: 6,
        hidden: ["x"],
        hiddenCount: 1,
        refused: [],
        refusedCount: 0,
        binaryCount: 0,
        ageMs: 7,
        loadMs: 250,
        reloads: 0,
        repaired: 0,
        repairs: {},
        stale: false,
        evictions: 0,
        pins: 0,
      },
    ]);
    source.last().end();
    await settled();
    expect(manager.status().buckets).toMatchObject([
      { state: "recovering", lastError: "BUCKET_STREAM_ENDED of a", revision: 2 },
    ]);
    await manager.stop();
    expect(manager.status().buckets).toEqual([]);
  });
});
