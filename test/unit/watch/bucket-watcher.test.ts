import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import type { BridgeError } from "../../../src/errors.ts";
import { BucketWatcher } from "../../../src/watch/bucket-watcher.ts";
import { announced, documentOf, makeWatcher, settled } from "./support/make.ts";

describe("a watcher that can't go on", () => {
  it("W5 takes its data out of sight and says so once when the bucket is gone", async () => {
    const failures: BridgeError[] = [];
    const { watcher, store, source, budget, clock } = makeWatcher({
      onFailed: (reason) => failures.push(reason),
    });
    const started = watcher.start();
    source.last().load({ a: 1 });
    await started;
    source.last().end("BUCKET_NOT_FOUND");
    await settled();
    expect(failures.map(({ code }) => code)).toEqual(["BUCKET_NOT_FOUND"]);
    expect(watcher.status()).toMatchObject({ state: "failed" });
    expect(store.buckets()).toEqual([]);
    expect(budget.total).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it("W7 is taken out with its reason when it grows over its budget, live or by a reload", async () => {
    for (const how of ["live", "reload"]) {
      const failures: string[] = [];
      const { watcher, store, source, budget } = makeWatcher({
        limits: { maxBucketKeys: 2 },
        onFailed: ({ code }) => failures.push(code),
      });
      const started = watcher.start();
      source.last().load({ a: 1, b: 1 });
      await started;
      if (how === "reload") {
        source.last().end();
        await settled();
        source.last().opened();
      }
      source.last().put("c", 1, 3).put("d", 1, 4).put("e", 1, 5);
      await settled();
      expect(failures).toEqual(["BUCKET_OVER_BUDGET"]);
      expect(watcher.status().lastError).toContain("max_bucket_keys");
      expect(source.running()).toEqual([]);
      expect(store.buckets()).toEqual([]);
      expect(budget.total).toBe(0);
    }
  });

  it("W5 is never visible when what followed its snapshot put it over its budget", async () => {
    const { watcher, store, source } = makeWatcher({ limits: { maxBucketKeys: 2 } });
    const started = watcher.start();
    source.last().load({ a: 1, b: 1 }).put("c", 1);
    await expect(started).rejects.toMatchObject({ code: "BUCKET_OVER_BUDGET" });
    expect(store.commits).toEqual([]);
  });

  it("fails in its start when the bucket goes between the load's commit and the answer", async () => {
    const failures: string[] = [];
    const { watcher, store, source } = makeWatcher({ onFailed: ({ code }) => failures.push(code) });
    const started = watcher.start();
    store.onCommit(({ changes }) => {
      if (changes[0]?.type === "mount") source.last().end("BUCKET_NOT_FOUND");
    });
    source.last().load({ a: 1 });
    const outcome = await started.then(
      () => "started",
      (error: BridgeError) => error.code,
    );
    await settled();
    // Either it never counted as started, or its owner was told; in both cases nothing stays.
    expect([outcome, ...failures]).toContain("BUCKET_NOT_FOUND");
    expect(watcher.state).toBe("failed");
    expect(store.buckets()).toEqual([]);
  });
});

describe("start and stop", () => {
  it("W4 start after stop rejects, and opens nothing", async () => {
    const { watcher, source } = makeWatcher();
    await watcher.stop();
    await expect(watcher.start()).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
    expect(source.runs).toEqual([]);
    expect(watcher.state).toBe("stopped");
  });

  it("W4 stop during start ends the stream at once, and start rejects", async () => {
    const { watcher, source, store, clock, budget } = makeWatcher();
    const started = watcher.start();
    source.last().opened().put("a", 1);
    const stopped = watcher.stop();
    expect(source.running()).toEqual([]);
    await expect(started).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
    await stopped;
    expect(store.commits).toEqual([]);
    expect(clock.timers).toBe(0);
    expect(budget.total).toBe(0);
  });

  it("W4 stop wakes a watcher that waits to open its next stream", async () => {
    const { watcher, source, clock } = makeWatcher();
    const started = watcher.start();
    started.catch(() => undefined);
    source.last().end();
    await settled();
    expect(clock.timers).toBe(2);
    await watcher.stop();
    expect(clock.timers).toBe(0);
    await expect(started).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
  });

  it("start called again answers the same, the reason included", async () => {
    const { watcher, source } = makeWatcher();
    const both = [watcher.start(), watcher.start()];
    source.last().end("BUCKET_NOT_FOUND");
    for (const started of [...both, watcher.start()]) {
      await expect(started).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
    }
    expect(source.runs).toHaveLength(1);
  });

  it("W4 after stop has resolved nothing is written, whatever the source still says", async () => {
    const { watcher, source, store } = makeWatcher();
    const started = watcher.start();
    source.last().load({ a: 1 });
    await started;
    await watcher.stop();
    const { version } = store;
    source.last().playOn().put("a", 2).loaded().current();
    source.last().end();
    await settled();
    expect(store.version).toBe(version);
    expect(store.buckets()).toEqual([]);
    expect(source.runs).toHaveLength(1);
  });

  it("W4 what waits for the store when stop comes is not written", async () => {
    const { watcher, source, store } = makeWatcher();
    const started = watcher.start();
    source.last().load({ a: 1 });
    await started;
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().put("a", 2);
    await settled();
    const stopped = watcher.stop();
    gate.resolve();
    await stopped;
    expect(announced(store)).toEqual(["mount", "unmount"]);
  });

  it("W3 a slow stop removes only what it owns: the second watcher's data stays", async () => {
    const { watcher, source, store, budget } = makeWatcher();
    const started = watcher.start();
    source.last().load({ from: "first" });
    await started;

    // The first one's unmount waits at the store's door; the second one goes past it.
    const gate = deferred();
    let begun = 0;
    store.gate = () => (++begun === 1 ? gate.promise : Promise.resolve());
    const stopped = watcher.stop();
    await settled();
    expect(begun).toBe(1);
    const second = new BucketWatcher("b", { store, source, budget, loadTimeoutMs: 1_000 });
    const restarted = second.start();
    source.last().load({ from: "second" });
    await restarted;
    gate.resolve();
    await stopped;
    await settled();
    expect(documentOf(store, "b")).toEqual({ from: "second" });
    expect(announced(store)).toEqual(["mount", "mount"]);
    expect(budget.total).toBe(store.bucket("b")?.bytes);
    source.last().put("from", "live");
    await settled();
    expect(documentOf(store, "b")).toEqual({ from: "live" });
    await second.stop();
    expect(budget.total).toBe(0);
  });
});
