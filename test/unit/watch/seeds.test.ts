import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { BucketWatcher } from "../../../src/watch/bucket-watcher.ts";
import { MemoryBudget } from "../../../src/watch/budget.ts";
import { FakeSource, loadsAtOnce } from "./support/fake-source.ts";
import { documentOf, GatedStore, makeManager, NO_LIMITS, settled } from "./support/make.ts";

/** What a bucket's reader does while its query is suspended: it holds a snapshot across awaits. */
async function openReader(store: GatedStore): Promise<{
  names: () => unknown[];
  end: () => Promise<void>;
}> {
  const snapshot = store.snapshot();
  const released = deferred();
  const reading = (async () => {
    using held = snapshot;
    await released.promise;
    return held.version;
  })();
  await settled();
  return {
    names: () =>
      ["a", "b", "c"].map((bucket) => {
        const text = snapshot.bucket(bucket)?.entry("name")?.text;
        return text && (JSON.parse(text) as unknown);
      }),
    end: async () => {
      released.resolve();
      await reading;
    },
  };
}

/** Answers with how many turns of the event loop a promise took. */
async function turnsOf(promise: Promise<unknown>): Promise<number> {
  for (let turns = 0; turns < 100; turns++) {
    const turn = nextTurn("not yet");
    if ((await Promise.race([promise.then(() => "done"), turn])) === "done") return turns;
  }
  return Infinity;
}

describe("a manager, as the plugin's regression tests ask of it", () => {
  it("N9 a bucket that is watched is answered from the fast path, without another watcher", async () => {
    const { manager, source } = makeManager();
    const first = await manager.getOrCreateWatcher("a");
    expect(await manager.getOrCreateWatcher("a")).toBe(first);
    expect(source.runs).toHaveLength(1);
    expect(manager.hasWatcher("a")).toBe(true);
    expect(manager.status().counts.created).toBe(1);
  });

  it("N10 after stop a create is refused, and nothing is opened", async () => {
    const { manager, source, store } = makeManager();
    await manager.getOrCreateWatcher("a");
    await manager.stop();
    for (const bucket of ["a", "b"]) {
      await expect(manager.getOrCreateWatcher(bucket)).rejects.toMatchObject({
        code: "BRIDGE_STOPPING",
      });
    }
    expect(source.runs).toHaveLength(1);
    expect(store.buckets()).toEqual([]);
    expect(manager.hasWatcher("a")).toBe(false);
  });

  it("N11 while stopping, the fast path still answers with the watcher that is there", async () => {
    const { manager, source } = makeManager({
      source: new FakeSource((run) => {
        if (run.bucket === "a") loadsAtOnce(run);
      }),
    });
    const watched = await manager.getOrCreateWatcher("a");
    const loading = manager.getOrCreateWatcher("slow");
    loading.catch(() => undefined);
    await settled();
    const stopped = manager.stop();
    // The stop is under way: the create of "slow" has not been drained yet.
    expect(await manager.getOrCreateWatcher("a")).toBe(watched);
    await expect(manager.getOrCreateWatcher("b")).rejects.toMatchObject({
      code: "BRIDGE_STOPPING",
    });
    await stopped;
    await expect(loading).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
    expect(source.runs.map(({ bucket }) => bucket)).toEqual(["a", "slow"]);
  });

  it("N12 stop is idempotent: called twice at once and once more, it ends everything once", async () => {
    const { manager, store } = makeManager();
    await manager.getOrCreateWatcher("a");
    const unmounts = (): number =>
      store.commits.flatMap(({ changes }) => changes).filter(({ type }) => type === "unmount")
        .length;
    await Promise.all([manager.stop(), manager.stop()]);
    await manager.stop();
    expect(unmounts()).toBe(1);
    expect(store.buckets()).toEqual([]);
  });

  it("N13 a hundred callers at once on the fast path all get the same watcher", async () => {
    const { manager, source } = makeManager();
    const first = await manager.getOrCreateWatcher("a");
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => manager.getOrCreateWatcher("a")),
    );
    expect(new Set(answers)).toEqual(new Set([first]));
    expect(source.runs).toHaveLength(1);
  });

  it("N14 a create and a stop go through while a reader holds the store open across awaits", async () => {
    const { manager, store } = makeManager();
    await manager.getOrCreateWatcher("a");
    const reader = await openReader(store);
    // The circular wait of the plugin: reader → has-watcher → manager lock → store write → reader.
    await manager.getOrCreateWatcher("b");
    expect(manager.hasWatcher("b")).toBe(true);
    expect(documentOf(store, "b")).toEqual({ name: "b" });
    expect(await manager.evict("a")).toBe(true);
    await manager.stop();
    expect(reader.names()).toEqual(["a", undefined, undefined]);
    await reader.end();
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
  });

  it("N15 an eviction waits for no reader, and hasWatcher answers within one turn all the while", async () => {
    const { manager, store } = makeManager({ maxBucketWatchers: 2 });
    await manager.getOrCreateWatcher("a");
    await manager.getOrCreateWatcher("b");
    const reader = await openReader(store);
    // The store takes no writer at all for now: neither the load's commit nor the victim's unmount.
    const open = deferred();
    store.gate = () => open.promise;
    const created = manager.getOrCreateWatcher("c");
    for (let turn = 0; turn < 5; turn++) {
      const answered = turnsOf(Promise.resolve().then(() => manager.hasWatcher("a")));
      expect(await answered).toBeLessThanOrEqual(1);
    }
    expect(["a", "b", "c"].map((bucket) => manager.hasWatcher(bucket))).toEqual([
      true,
      true,
      false,
    ]);
    open.resolve();
    await created;
    expect(["a", "b", "c"].map((bucket) => manager.hasWatcher(bucket))).toEqual([
      false,
      true,
      true,
    ]);
    await settled();
    expect(store.buckets()).toEqual(["b", "c"]);
    expect(reader.names()).toEqual(["a", "b", undefined]);
    await reader.end();
    await manager.stop();
  });

  it("N15 the victim's stop is not part of the create: it is done although the unmount waits", async () => {
    const { manager, store } = makeManager({ maxBucketWatchers: 1 });
    await manager.getOrCreateWatcher("a");
    const open = deferred();
    let begun = 0;
    // The first transaction is the load's; whatever comes after it is the victim's and waits.
    store.gate = () => (++begun === 1 ? Promise.resolve() : open.promise);
    await manager.getOrCreateWatcher("b");
    expect(manager.hasWatcher("a")).toBe(false);
    expect(manager.hasWatcher("b")).toBe(true);
    await settled();
    expect(store.hasBucket("a")).toBe(true);
    open.resolve();
    await settled();
    expect(store.hasBucket("a")).toBe(false);
    await manager.stop();
  });

  it("N16 N callers of one new bucket start one watcher, and all get it", async () => {
    const made: string[] = [];
    const store = new GatedStore();
    const source = new FakeSource();
    const budget = new MemoryBudget(NO_LIMITS);
    const { manager } = makeManager({
      newWatcher: (bucket, onFailed) => {
        made.push(bucket);
        return new BucketWatcher(bucket, { store, source, budget, loadTimeoutMs: 1_000, onFailed });
      },
    });
    const callers = Array.from({ length: 50 }, () => manager.getOrCreateWatcher("a"));
    await settled();
    expect(made).toEqual(["a"]);
    source.last("a").load({ name: "a" });
    expect(new Set(await Promise.all(callers)).size).toBe(1);
    expect(made).toEqual(["a"]);
    expect(manager.status().counts.created).toBe(1);
    await manager.stop();
  });

  it("N16 W1 N callers of a bucket that fails share the one failure", async () => {
    const { manager, source } = makeManager({ source: new FakeSource() });
    const callers = Array.from({ length: 50 }, () => manager.getOrCreateWatcher("a"));
    await settled();
    source.last().end("BUCKET_NOT_FOUND");
    const outcomes = await Promise.allSettled(callers);
    expect(
      outcomes.every(
        (outcome) => outcome.status === "rejected" && outcome.reason.code === "BUCKET_NOT_FOUND",
      ),
    ).toBe(true);
    expect(source.runs).toHaveLength(1);
    expect(manager.status().remembered.creating).toBe(0);
  });

  it("O14 N17 stop drains creates in flight: nothing is inserted after, and nothing is left running", async () => {
    const { manager, source, store } = makeManager({
      source: new FakeSource(),
      maxConcurrentLoads: 2,
    });
    // Two load, two wait for room, two wait for another caller's create.
    const creates = ["a", "b", "c", "d", "a", "c"].map((bucket) =>
      manager.getOrCreateWatcher(bucket),
    );
    const outcomes = Promise.allSettled(creates);
    await settled();
    expect(source.running().map(({ bucket }) => bucket)).toEqual(["a", "b"]);
    await manager.stop();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "BRIDGE_STOPPING" } });
    }
    expect(source.runs).toHaveLength(2);
    expect(source.running()).toEqual([]);
    expect(store.commits).toEqual([]);
    expect(manager.status()).toMatchObject({ watchers: 0, bytes: 0, failures: [] });
  });

  it("N17 stop at any moment between a load's commit and its insert: nothing is inserted or written after", async () => {
    const insertedBefore = new Set<number>();
    for (let ticks = 0; ticks < 40; ticks++) {
      const { manager, source, store } = makeManager();
      const stopping = deferred<{ created: number; stopped: Promise<void> }>();
      store.onCommit(({ changes }) => {
        if (changes[0]?.type !== "mount") return;
        void (async () => {
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          const { created } = manager.status().counts;
          stopping.resolve({ created, stopped: manager.stop() });
        })();
      });
      const outcome = manager.getOrCreateWatcher("a").then(
        () => "inserted",
        (error: { code: string }) => error.code,
      );
      const { created, stopped } = await stopping.promise;
      await stopped;
      const { version } = store;
      expect(store.buckets()).toEqual([]);
      expect(await outcome).toBe(created === 0 ? "BRIDGE_STOPPING" : "inserted");
      expect(manager.status().counts.created).toBe(created);
      source.last().playOn().put("late", "1").loaded();
      await settled();
      expect(store.version).toBe(version);
      expect(manager.status().watchers).toBe(0);
      insertedBefore.add(created);
    }
    expect(insertedBefore).toEqual(new Set([0, 1]));
  });
});
