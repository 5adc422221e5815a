import { afterEach, describe, expect, it } from "vitest";
import type { BucketWatcherManager } from "../../../src/watch/manager.ts";
import { FakeSource } from "./support/fake-source.ts";
import { makeManager, type Parts, settled } from "./support/make.ts";

const BUCKETS = Array.from({ length: 12 }, (_, index) => `b${index}`);
const AT_ONCE = 3;
/** Longer than any bucket waits to be loaded again after a reconnect. */
const WAITED_MS = 500;

describe("buckets whose connection is back", () => {
  let manager: BucketWatcherManager;
  afterEach(() => manager.stop());

  async function watched(options: Parameters<typeof makeManager>[0] = {}): Promise<Parts> {
    const source = new FakeSource();
    const parts = makeManager({
      maxConcurrentLoads: AT_ONCE,
      maxBucketWatchers: 20,
      ...options,
      source,
    });
    ({ manager } = parts);
    const created = Promise.all(BUCKETS.map((name) => manager.getOrCreateWatcher(name)));
    for (let round = 0; round < BUCKETS.length; round++) {
      await settled();
      source.runs[round]!.load({ a: 1 });
    }
    await created;
    return parts;
  }

  /** The connection was lost and is back, as every stream says of itself. */
  async function reconnect({ source, clock }: Parts): Promise<void> {
    for (const run of source.running()) run.end("BUCKET_STREAM_ENDED", "reconnect");
    await settled();
    clock.advance(WAITED_MS);
    await settled();
  }

  it("O8 R3 are loaded again a few at a time, as at the start, and all of them in the end", async () => {
    const parts = await watched();
    const { source } = parts;
    const before = source.runs.length;
    await reconnect(parts);
    const loaded = new Set<string>();
    while (loaded.size < BUCKETS.length) {
      const loading = source.running().filter(({ bucket }) => !loaded.has(bucket));
      expect(loading).toHaveLength(Math.min(AT_ONCE, BUCKETS.length - loaded.size));
      loading[0]!.load({ a: 2 });
      loaded.add(loading[0]!.bucket);
      await settled();
    }
    expect(source.runs.length - before).toBe(BUCKETS.length);
    for (const { state } of manager.status().buckets) expect(state).toBe("live");
  });

  it("O8 one that fails makes room, and so does one that is evicted while it waits or loads", async () => {
    const parts = await watched();
    const { source, clock } = parts;
    await reconnect(parts);
    const [first, second] = source.running();
    const seen = new Set(source.running().map(({ bucket }) => bucket));
    first!.end("NATS_TIMEOUT");
    await settled();
    await manager.evict(second!.bucket);
    await settled();
    expect(source.running()).toHaveLength(AT_ONCE);
    for (const bucket of BUCKETS.filter((name) => !seen.has(name))) {
      if (source.running(bucket).length === 0) await manager.evict(bucket);
    }
    for (const run of source.running()) run.load({ a: 1 });
    await settled();
    clock.advance(WAITED_MS);
    await settled();
    source.last(first!.bucket).load({ a: 1 });
    await settled();
    // All the room there is can be had again.
    const others = ["x1", "x2", "x3", "x4"].map((name) => manager.getOrCreateWatcher(name));
    await settled();
    expect(source.running().filter(({ bucket }) => bucket.startsWith("x"))).toHaveLength(AT_ONCE);
    for (const name of ["x1", "x2", "x3", "x4"]) {
      source.last(name).load({ a: 1 });
      await settled();
    }
    await Promise.all(others);
  });

  it("O8 a load that goes on and on does not keep the others waiting for ever", async () => {
    const parts = await watched({ loadTimeoutMs: 10_000 });
    const { source, clock } = parts;
    await reconnect(parts);
    const slow = source.running();
    for (const run of slow) run.opened();
    clock.advance(9_000);
    await settled();
    expect(source.running()).toHaveLength(AT_ONCE);
    clock.advance(1_000);
    await settled();
    expect(source.running()).toHaveLength(2 * AT_ONCE);
    for (const run of slow) expect(run.stopped).toBe(false);
  });

  it("O8 those that still wait for a connection keep the room, so that its return is no stampede", async () => {
    const parts = await watched({ loadTimeoutMs: 10_000 });
    const { source, clock } = parts;
    await reconnect(parts);
    clock.advance(600_000);
    await settled();
    expect(source.running()).toHaveLength(AT_ONCE);
  });

  it("O8 the root bucket goes before those that wait", async () => {
    const source = new FakeSource();
    const parts = makeManager({ source, rootBucket: "root", maxConcurrentLoads: 1 });
    ({ manager } = parts);
    const root = manager.startRoot();
    const created = Promise.all(["a", "b"].map((name) => manager.getOrCreateWatcher(name)));
    for (const name of ["root", "a", "b"]) {
      await settled();
      source.last(name).load({ n: { a: 1 } });
    }
    await Promise.all([root, created]);
    const [first] = source.running("a");
    first!.end("BUCKET_STREAM_ENDED", "reconnect");
    await settled();
    parts.clock.advance(WAITED_MS);
    await settled();
    for (const name of ["b", "root"]) source.last(name).end("BUCKET_STREAM_ENDED", "reconnect");
    await settled();
    parts.clock.advance(WAITED_MS);
    await settled();
    expect(source.running().map(({ bucket }) => bucket)).toEqual(["a"]);
    source.last("a").load({ a: 1 });
    await settled();
    expect(source.last().bucket).toBe("root");
    source.last("root").load({ n: { a: 1 } });
    await settled();
    expect(source.last().bucket).toBe("b");
  });
});
