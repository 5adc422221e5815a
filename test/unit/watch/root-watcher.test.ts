import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { BucketRules } from "../../../src/watch/bucket-rules.ts";
import { FakeSource } from "./support/fake-source.ts";
import { makeManager, type Parts, settled } from "./support/make.ts";

function withRoot(options: Parameters<typeof makeManager>[0] = {}): Parts {
  return makeManager({ source: new FakeSource(), rootBucket: "root", ...options });
}

describe("the root bucket's watcher", () => {
  it("N70 is found by hasWatcher and by every caller, and is watched once", async () => {
    const { manager, source, store } = withRoot();
    const asked = manager.getOrCreateWatcher("root");
    const started = manager.startRoot();
    await settled();
    expect(manager.hasWatcher("root")).toBe(false);
    source.last("root").load({ users: { a: 1 } });
    await started;
    expect(manager.hasWatcher("root")).toBe(true);
    expect(await asked).toBe(manager.watcher("root"));
    expect(await manager.getOrCreateWatcher("root")).toBe(manager.watcher("root"));
    expect(source.runs).toHaveLength(1);
    expect(store.text(["users"])).toBe('{"a":1}');
    expect(await manager.evict("root")).toBe(false);
    await manager.stop();
  });

  it("takes none of the places, and is loaded before those that wait", async () => {
    const { manager, source } = withRoot({ maxBucketWatchers: 1, maxConcurrentLoads: 1 });
    const creates = ["a", "b"].map((bucket) => manager.getOrCreateWatcher(bucket));
    await settled();
    const started = manager.startRoot();
    source.last("a").load();
    await settled();
    expect(source.last().bucket).toBe("root");
    source.last("root").load();
    await started;
    await settled();
    source.last("b").load();
    await Promise.all(creates);
    expect(manager.status()).toMatchObject({ watchers: 1 });
    expect(manager.hasWatcher("root")).toBe(true);
    await manager.stop();
  });

  it("rejects when the first attempt fails, tells why to those that ask, and goes on trying", async () => {
    const { manager, source, clock } = withRoot();
    const started = manager.startRoot();
    await settled();
    const waiting = manager.getOrCreateWatcher("root");
    source.last().end("BUCKET_NOT_FOUND");
    await expect(started).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
    await expect(waiting).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
    // Between two attempts nobody is kept waiting.
    await expect(manager.getOrCreateWatcher("root")).rejects.toMatchObject({
      code: "BUCKET_NOT_FOUND",
    });
    await expect(manager.startRoot()).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
    expect(manager.status().buckets).toMatchObject([{ bucket: "root", state: "failed" }]);
    expect(source.runs).toHaveLength(1);
    clock.advance(500);
    await settled();
    const asked = manager.getOrCreateWatcher("root");
    source.last().load();
    expect(await asked).toBe(manager.watcher("root"));
    expect(source.runs).toHaveLength(2);
    await manager.stop();
  });

  it("is started again when it fails later; its data is out of sight until then", async () => {
    const { manager, source, store } = withRoot();
    const started = manager.startRoot();
    await settled();
    source.last().load({ a: 1 });
    await started;
    const first = manager.watcher("root");
    source.last().end("BUCKET_NOT_FOUND");
    await settled();
    expect(manager.hasWatcher("root")).toBe(false);
    const asked = manager.getOrCreateWatcher("root");
    expect(store.buckets()).toEqual([]);
    source.last().load({ b: 1 });
    const second = await asked;
    expect(second).not.toBe(first);
    expect(store.text([])).toContain('"b":1');
    await manager.stop();
    expect(store.buckets()).toEqual([]);
  });

  it.each([
    { state: "never started", code: "BRIDGE_STOPPING" },
    { state: "loading", code: "BRIDGE_STOPPING" },
    { state: "waiting for room", code: "BRIDGE_STOPPING" },
    { state: "waiting to try again", code: "BUCKET_NOT_FOUND" },
    { state: "live", code: undefined },
  ])("W4 stop ends it while it is $state", async ({ state, code }) => {
    const { manager, source, store, clock } = withRoot({ maxConcurrentLoads: 1 });
    const other = state === "waiting for room" ? manager.getOrCreateWatcher("a") : undefined;
    other?.catch(() => undefined);
    await settled();
    if (state !== "never started") manager.startRoot().catch(() => undefined);
    const asked = manager.getOrCreateWatcher("root").then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
    await settled();
    if (state === "waiting to try again") source.last("root").end("BUCKET_NOT_FOUND");
    if (state === "live") source.last("root").load();
    await settled();
    await Promise.all([manager.stop(), manager.stop()]);
    expect(await asked).toBe(code);
    await expect(manager.getOrCreateWatcher("root")).rejects.toMatchObject({
      code: "BRIDGE_STOPPING",
    });
    expect(source.running()).toEqual([]);
    expect(store.buckets()).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it("W4 start after stop rejects and opens nothing", async () => {
    const { manager, source } = withRoot();
    await manager.stop();
    await expect(manager.startRoot()).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
    expect(source.runs).toEqual([]);
  });

  it("W4 stop waits for a root watcher that failed before it and still removes its data", async () => {
    const { manager, source, store } = withRoot();
    const started = manager.startRoot();
    await settled();
    source.last().load({ a: 1 });
    await started;
    const gate = deferred();
    let begun = 0;
    store.gate = () => (++begun === 1 ? gate.promise : Promise.resolve());
    source.last().end("BUCKET_NOT_FOUND");
    await settled();
    let stopped = false;
    const stopping = manager.stop().then(() => {
      stopped = true;
    });
    await settled();
    expect([begun > 0, stopped]).toEqual([true, false]);
    gate.resolve();
    await stopping;
    const { version } = store;
    expect(store.buckets()).toEqual([]);
    await settled();
    expect(store.version).toBe(version);
  });

  it("W7 a root bucket that the rules don't allow is refused", async () => {
    const { manager } = withRoot({ rules: new BucketRules({ deny: ["root"] }) });
    await expect(manager.startRoot()).rejects.toMatchObject({ code: "BUCKET_NOT_ALLOWED" });
    await manager.stop();
  });
});
