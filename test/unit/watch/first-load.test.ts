import { describe, expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import type { BucketSource } from "../../../src/nats/bucket-source.ts";
import { infoOf } from "./support/fake-source.ts";
import { announced, documentOf, makeWatcher, settled } from "./support/make.ts";

describe("the first load", () => {
  it("W5 becomes visible in one commit, or not at all", async () => {
    const { watcher, store, source } = makeWatcher();
    const started = watcher.start();
    source.last().opened().put("a", 1).put("b.c", 2);
    await settled();
    expect(store.commits).toEqual([]);
    expect(watcher.state).toBe("loading");
    source.last().loaded();
    await started;
    expect(store.commits).toHaveLength(1);
    expect(documentOf(store, "b")).toEqual({ a: 1, b: { c: 2 } });
    expect(watcher.status()).toMatchObject({ state: "live", revision: 2, keys: 2, reloads: 0 });
    await watcher.stop();
  });

  it("W5 what comes between its end and its commit is applied once, in or after that commit", async () => {
    const { watcher, store, source } = makeWatcher();
    const started = watcher.start();
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().load({ a: 1, gone: 1 }).put("a", 2).delete("gone").put("new", 3);
    await settled();
    source.last().put("a", 4);
    gate.resolve();
    await started;
    await settled();
    const said = announced(store);
    expect(said[0]).toBe("mount");
    expect(new Set(said).size).toBe(said.length);
    expect(documentOf(store, "b")).toEqual({ a: 4, new: 3 });
    expect(store.bucket("b")?.revision).toBe(6);
    await watcher.stop();
  });

  it("W5 entries that come while a commit is under way are committed next, in order", async () => {
    const { watcher, store, source } = makeWatcher();
    const started = watcher.start();
    source.last().load({ a: 0 });
    await started;
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().put("a", 1);
    await settled();
    source.last().put("a", 2).delete("a").put("a", 3);
    store.onCommit((commit) => {
      // Heard in the middle of a commit, as the socket's next piece may be.
      if (commit.version === 2) source.last().put("b", 1);
    });
    gate.resolve();
    await settled();
    expect(announced(store)).toEqual([
      "mount",
      "put a@2",
      "put a@3",
      "delete a@4",
      "put a@5",
      "put b@6",
    ]);
    expect(store.bucket("b")?.revision).toBe(6);
    await watcher.stop();
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    "W5 an entry heard %d microtasks after a commit is committed without another one's help",
    async (ticks) => {
      const { watcher, store, source } = makeWatcher();
      const started = watcher.start();
      source.last().load({ a: 0 });
      await started;
      await settled();
      store.onCommit(({ version }) => {
        if (version !== 2) return;
        void (async () => {
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          source.last().put("late", 1);
        })();
      });
      source.last().put("a", 1);
      await settled();
      expect(documentOf(store, "b")).toEqual({ a: 1, late: 1 });
      await watcher.stop();
    },
  );

  it("W5 a gap before the snapshot's end starts over: nothing of the first attempt stays", async () => {
    const { watcher, store, source, clock } = makeWatcher();
    const started = watcher.start();
    source.last().opened().put("old", 1).end();
    await settled();
    expect(source.runs).toHaveLength(1);
    clock.advance(500);
    await settled();
    source.last().load({ new: 1 });
    await started;
    expect(documentOf(store, "b")).toEqual({ new: 1 });
    expect(watcher.status().reloads).toBe(0);
    await watcher.stop();
  });

  it("W5 a gap between the snapshot's end and its commit still makes it visible, then repairs it", async () => {
    const { watcher, store, source } = makeWatcher();
    const started = watcher.start();
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().load({ a: 1, b: 1 }).end();
    await settled();
    // The next stream is not opened before what the last one said is in.
    expect(source.runs).toHaveLength(1);
    gate.resolve();
    await started;
    await settled();
    expect(watcher.state).toBe("recovering");
    source.last().opened().put("a", 1, 1).loaded(3);
    await settled();
    expect(watcher.state).toBe("live");
    expect(announced(store)).toEqual(["mount", "delete b@3"]);
    await watcher.stop();
  });

  it("fails with its time limit when the bucket does not come, and leaves no timer", async () => {
    const { watcher, source, clock, budget, store } = makeWatcher({ loadTimeoutMs: 1_000 });
    const started = watcher.start();
    source.last().opened().put("a", 1);
    expect(budget.total).toBeGreaterThan(0);
    clock.advance(1_000);
    await expect(started).rejects.toMatchObject({ code: "BUCKET_LOAD_TIMEOUT" });
    expect(watcher.status()).toMatchObject({ state: "failed" });
    expect(watcher.status().lastError).toContain("1000 ms");
    expect(source.running()).toEqual([]);
    expect(budget.total).toBe(0);
    expect(clock.timers).toBe(0);
    expect(store.commits).toEqual([]);
  });

  it("names the last problem when its time is over", async () => {
    const { watcher, source, clock } = makeWatcher({ loadTimeoutMs: 1_000 });
    const started = watcher.start();
    source.last().end("NATS_TIMEOUT");
    await settled();
    clock.advance(1_000);
    await expect(started).rejects.toThrow("NATS_TIMEOUT of b");
  });

  it.each([
    "BUCKET_NOT_FOUND",
    "BUCKET_FORBIDDEN",
    "JETSTREAM_UNAVAILABLE",
    "NATS_CLOSED",
  ] as const)("fails at once with %s", async (code) => {
    const { watcher, source, clock } = makeWatcher();
    const started = watcher.start();
    source.last().end(code);
    await expect(started).rejects.toMatchObject({ code });
    expect(watcher.state).toBe("failed");
    expect(clock.timers).toBe(0);
  });

  it("ends the stream of a source that calls back before it has handed the stream over", async () => {
    const stop = vi.fn<() => void>();
    const source: BucketSource = {
      open: (_bucket, sink) => {
        sink.opened(infoOf());
        sink.entry({
          key: "a",
          operation: "put",
          data: new Uint8Array(9),
          revision: 1,
          createdMs: 0,
          expiresMs: Infinity,
        });
        return { stop, prove: () => undefined };
      },
      describe: () => Promise.resolve(infoOf()),
      onReconnect: () => () => undefined,
    };
    const { watcher, store } = makeWatcher({ source, limits: { maxBucketBytes: 5 } });
    await expect(watcher.start()).rejects.toMatchObject({ code: "BUCKET_OVER_BUDGET" });
    expect(stop).toHaveBeenCalledTimes(1);
    expect(store.commits).toEqual([]);
  });

  it("takes a source that throws as one whose stream ended", async () => {
    const opened = vi.fn<() => void>();
    const source: BucketSource = {
      open: () => {
        opened();
        throw new Error("out of sockets");
      },
      describe: () => Promise.resolve(infoOf()),
      onReconnect: () => () => undefined,
    };
    const { watcher, clock } = makeWatcher({ source, loadTimeoutMs: 10_000 });
    const started = watcher.start();
    for (let second = 0; second < 10; second++) {
      await settled();
      clock.advance(1_000);
    }
    await expect(started).rejects.toThrow("out of sockets");
    expect(opened.mock.calls.length).toBeGreaterThan(2);
    expect(opened.mock.calls.length).toBeLessThan(10);
  });
});
