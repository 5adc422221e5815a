import { describe, expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { type StaleAction, stalenessOf, StalenessWatch } from "../../../src/watch/staleness.ts";
import { announced, documentOf, makeManager, makeWatcher, settled } from "./support/make.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

const RULE = { buckets: ["*"], maxStalenessMs: 10_000 } as const;

async function live(onStale: StaleAction): Promise<ReturnType<typeof makeWatcher>> {
  const parts = makeWatcher({ staleness: { ...RULE, onStale } });
  const started = parts.watcher.start();
  parts.source.last().load({ a: 1, b: 1 });
  await started;
  return parts;
}

describe("C5 a staleness budget", () => {
  it("C5 the first rule that names the bucket counts", () => {
    const rules = [
      { buckets: ["admin-*", "root"], maxStalenessMs: 1, onStale: "hide" },
      { ...RULE, onStale: "flag" },
    ] as const;
    expect(stalenessOf("admin-x", rules)?.onStale).toBe("hide");
    expect(stalenessOf("root", rules)?.onStale).toBe("hide");
    expect(stalenessOf("roots", rules)?.onStale).toBe("flag");
    expect(stalenessOf("x", [])).toBeUndefined();
  });

  it("C5 an older proof makes no copy older", () => {
    const clock = new VirtualClock();
    const watch = new StalenessWatch(clock, undefined, () => undefined);
    clock.advance(20_000);
    watch.renew();
    clock.advance(1_000);
    watch.renew(5_000);
    expect(watch.ageMs).toBe(1_000);
    watch.renew(400);
    expect(watch.ageMs).toBe(400);
  });

  it("C5 is kept while the stream goes on, however long", async () => {
    const { watcher, store, source, clock } = await live("hide");
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      source.last().current();
    }
    await settled();
    expect(watcher.status()).toMatchObject({ state: "live", stale: false });
    expect(store.version).toBe(1);
    await watcher.stop();
    expect(clock.timers).toBe(0);
  });

  it.each(["serve", "flag"] as const)(
    "C5 that is over with %s leaves the data in sight",
    async (onStale) => {
      const { watcher, store, source, clock } = await live(onStale);
      clock.advance(10_000);
      await settled();
      expect(watcher.status()).toMatchObject({ state: "live", stale: true, onStale });
      expect(documentOf(store, "b")).toEqual({ a: 1, b: 1 });
      source.last().current();
      expect(watcher.status()).toMatchObject({ state: "live", stale: false });
      await watcher.stop();
    },
  );

  it.each([
    ["hide", "BUCKET_STALE"],
    ["unavailable", "BUCKET_UNAVAILABLE"],
  ] as const)(
    "C5 that is over with %s takes the bucket out of sight in one transaction, and a fresh load brings it back by one",
    async (onStale, code) => {
      const { watcher, store, source, clock } = await live(onStale);
      clock.advance(9_999);
      await settled();
      expect(store.version).toBe(1);
      clock.advance(1);
      await settled();
      expect(announced(store)).toEqual(["mount", "unmount"]);
      expect(watcher).toMatchObject({ visible: false, state: "hidden" });
      expect(watcher.hiddenError).toMatchObject({ code, retryable: true });
      // What the old stream might say is not heard; the next one is opened at once.
      expect(source.running()).toHaveLength(1);
      source.last().opened().put("a", 2, 3);
      await settled();
      expect(watcher.state).toBe("hidden");
      source.last().loaded();
      await settled();
      expect(announced(store)).toEqual(["mount", "unmount", "mount"]);
      expect(documentOf(store, "b")).toEqual({ a: 2 });
      expect(watcher.status()).toMatchObject({ state: "live", stale: false });
      expect(watcher.hiddenError).toBeUndefined();
      await watcher.stop();
    },
  );

  it.each(["hide", "unavailable"] as const)(
    "C5 (%s) a load whose end was told too late never comes into sight, the next one does",
    async (onStale) => {
      const { watcher, store, source, clock } = makeWatcher({ staleness: { ...RULE, onStale } });
      const started = watcher.start();
      const late = source.last();
      // As after a network that held everything back: what has changed since comes right behind.
      late.opened().put("a", "old").loaded(1, 10_001);
      late.put("a", "new", 2);
      await settled();
      expect([store.version, late.stopped]).toEqual([0, true]);
      clock.advance(5_000);
      await settled();
      expect(source.last()).not.toBe(late);
      source.last().opened().put("a", "new", 2).loaded(2, 9_000);
      await started;
      expect(documentOf(store, "b")).toEqual({ a: "new" });
      expect(watcher.status()).toMatchObject({ state: "live", stale: false, ageMs: 9_000 });
      clock.advance(1_000);
      await settled();
      expect(watcher.state).toBe("hidden");
      await watcher.stop();
    },
  );

  it.each(["serve", "flag"] as const)(
    "C5 (%s) a load whose end was told too late is in sight, and old",
    async (onStale) => {
      const { watcher, store, source } = makeWatcher({ staleness: { ...RULE, onStale } });
      const started = watcher.start();
      source.last().opened().put("a", 1).loaded(1, 10_001);
      await started;
      expect(documentOf(store, "b")).toEqual({ a: 1 });
      expect(watcher.status()).toMatchObject({ state: "live", stale: true, ageMs: 10_001 });
      source.last().current();
      expect(watcher.status()).toMatchObject({ state: "live", stale: false, ageMs: 0 });
      await watcher.stop();
    },
  );

  it("C5 a load that takes longer to be shown than the budget allows is hidden right after", async () => {
    const { watcher, store, source, clock } = makeWatcher({
      staleness: { ...RULE, onStale: "hide" },
    });
    const ready = deferred<() => void>();
    store.onPrepare(() => ready.promise);
    const started = watcher.start();
    source.last().load({ a: 1 });
    await settled();
    clock.advance(10_000);
    ready.resolve(() => undefined);
    await started;
    await settled();
    expect(announced(store)).toEqual(["mount", "unmount"]);
    expect(watcher.state).toBe("hidden");
    await watcher.stop();
  });

  it.each(["hide", "unavailable"] as const)(
    "C5 (%s) a load that is on its way into the store when its bucket goes out of sight does not make it live",
    async (onStale) => {
      const { watcher, store, source, clock } = await live(onStale);
      source.last().end();
      await settled();
      const open = deferred();
      store.gate = () => open.promise;
      source.last().opened().put("a", 2, 3).put("b", 1, 2).loaded();
      await settled();
      // What was heard in time waits for the store until it is too old.
      clock.advance(10_000);
      await settled();
      expect(watcher.state).toBe("hidden");
      store.gate = undefined;
      open.resolve();
      await settled();
      // It goes in, and out of sight right after: nobody can have taken it for current.
      expect(announced(store)).toEqual(["mount", "put a@3", "unmount"]);
      expect(watcher).toMatchObject({ state: "hidden", visible: false });
      expect(watcher.hiddenError).toBeDefined();
      source.last().load({ a: 3 });
      await settled();
      expect(documentOf(store, "b")).toEqual({ a: 3 });
      expect(watcher.status()).toMatchObject({ state: "live", stale: false });
      await watcher.stop();
    },
  );

  it("C5 entries that expire while the bucket is hidden write nothing", async () => {
    const { watcher, store, source, clock } = await live("hide");
    source.last().put("c", 1, 3, 15_000);
    await settled();
    clock.advance(20_000);
    await settled();
    expect(announced(store)).toEqual(["mount", "put c@3", "unmount"]);
    expect(watcher.state).toBe("hidden");
    await watcher.stop();
  });

  it("C5 a hidden bucket that is gone for good is the manager's business", async () => {
    const onFailed = vi.fn<() => void>();
    const { watcher, source, clock } = makeWatcher({
      staleness: { ...RULE, onStale: "hide" },
      onFailed,
    });
    const started = watcher.start();
    source.last().load({ a: 1 });
    await started;
    clock.advance(10_000);
    await settled();
    source.last().end("BUCKET_NOT_FOUND");
    await settled();
    expect(onFailed).toHaveBeenCalledTimes(1);
    expect(watcher.state).toBe("failed");
  });

  it("C5 W1 a hidden bucket keeps its one watcher, whoever asks for it", async () => {
    const { manager, source, clock } = makeManager({
      staleness: [{ ...RULE, onStale: "unavailable" }],
    });
    const watcher = await manager.getOrCreateWatcher("a");
    source.last("a").end();
    // The source's streams load at once: this one is cut off before.
    source.last("a").stop();
    clock.advance(10_000);
    await vi.waitFor(() => expect(watcher.state).toBe("hidden"));
    const opened = source.runs.length;
    expect(manager.hasWatcher("a")).toBe(false);
    expect(manager.recentFailure("a")).toMatchObject({ code: "BUCKET_UNAVAILABLE" });
    await expect(manager.getOrCreateWatcher("a")).rejects.toMatchObject({
      code: "BUCKET_UNAVAILABLE",
    });
    expect(manager.held("a")).toBe(watcher);
    expect(source.runs.length - opened).toBeLessThanOrEqual(1);
    await vi.waitFor(() => expect(manager.watcher("a")).toBe(watcher));
    await manager.stop();
  });
});
