import { describe, expect, it, onTestFinished } from "vitest";
import type { BucketWatcher } from "../../../src/watch/bucket-watcher.ts";
import { FakeSource, infoOf } from "./support/fake-source.ts";
import { makeWatcher, settled } from "./support/make.ts";
import type { VirtualClock } from "./support/virtual-clock.ts";

const REFRESH_MS = 1_000;
const MAX_STALENESS_MS = 2_000;

/** A watcher with so many keys, of a server that counts fewer all the time; listings are what the copy is. */
async function audited(
  keys: number,
  listingMs = 0,
  refreshIntervalMs = REFRESH_MS,
): Promise<{
  watcher: BucketWatcher;
  clock: VirtualClock;
  listings: () => number;
  pass: (ms: number) => Promise<void>;
}> {
  const entries = Array.from({ length: keys }, (_, index) => `k${index}`);
  const info = { keys, revision: keys, messages: keys };
  let listings = 0;
  const source = new FakeSource((run) => {
    queueMicrotask(() => {
      run.opened("first", info);
      for (const key of entries) run.put(key, 1);
      if (!run.headersOnly) run.loaded();
      else {
        listings++;
        clock.after(listingMs, () => run.loaded());
      }
    });
  });
  // As if others than ours came and went.
  const counted = (): number => keys - Math.floor(clock.now() / 500);
  source.describe = () => Promise.resolve(infoOf({ ...info, keys: counted() }));
  const { watcher, clock } = makeWatcher({
    source,
    refreshIntervalMs,
    staleness: { buckets: ["*"], maxStalenessMs: MAX_STALENESS_MS, onStale: "unavailable" },
  });
  onTestFinished(() => watcher.stop());
  await watcher.start();
  return {
    watcher,
    clock,
    listings: () => listings,
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 50) {
        clock.advance(50);
        // The server is there all the time, and says that nothing is left.
        source
          .running("b")
          .find((run) => !run.headersOnly)
          ?.current();
        await settled();
      }
    },
  };
}

describe("an audit whose numbers don't agree", () => {
  it("C4 makes no small bucket wait for its next listing, however slow the last one was", async () => {
    const { listings, pass, watcher } = await audited(20, 800);
    await pass(10 * REFRESH_MS);
    // Each takes as long as an interval, nearly.
    expect(listings()).toBeGreaterThanOrEqual(5);
    expect(watcher.status().state).toBe("live");
  });

  it("C4 C5 is no proof while a large bucket's next listing is not due: over its budget it is unavailable", async () => {
    // 50,000 keys are listed every 10 s at most.
    const { listings, pass, watcher } = await audited(50_000);
    await pass(REFRESH_MS);
    expect(watcher.status()).toMatchObject({ state: "live" });
    expect(watcher.status().doubt).toBeUndefined();
    await pass(1.5 * REFRESH_MS);
    expect(listings()).toBe(1);
    expect(watcher.status().doubt).toContain("counts otherwise");
    await pass(MAX_STALENESS_MS);
    expect(watcher.status().lastError).toContain("over its budget");
  });

  it("C4 C5 is no reason to doubt it before an audit is due", async () => {
    const { listings, pass, watcher } = await audited(50_000, 0, 30_000);
    // Three audits after the load, of which the first has made a listing.
    await pass(8_000);
    expect(listings()).toBe(1);
    expect(watcher.status()).toMatchObject({ state: "live" });
    expect(watcher.status().doubt).toBeUndefined();
  });

  it("C4 takes a stream that does not come to where its listing has been for one that stands still", async () => {
    const source = new FakeSource((run) =>
      queueMicrotask(() => {
        run.opened("first", { revision: 1 });
        run.put("a", 1, 1);
        if (run.headersOnly) run.put("b", 1, 2);
        run.loaded(run.headersOnly ? 2 : 1);
      }),
    );
    source.describe = () => Promise.resolve(infoOf({ keys: 2, messages: 2, revision: 1 }));
    const { watcher, clock } = makeWatcher({ source, refreshIntervalMs: REFRESH_MS });
    onTestFinished(() => watcher.stop());
    await watcher.start();
    for (let passed = 0; passed < 6_000; passed += 50) {
      clock.advance(50);
      await settled();
    }
    expect(watcher.status().repairs).toEqual({ stalled: 1 });
  });

  it("C4 a purge right after the listing does not pass for messages that are not ours", async () => {
    const info = { keys: 21, revision: 20, messages: 21 };
    let purged = false;
    let listings = 0;
    const source = new FakeSource((run) => {
      queueMicrotask(() => {
        run.opened("first", info);
        if (!purged) for (let key = 0; key < 20; key++) run.put(`k${key}`, 1, key + 1);
        run.loaded(20);
        // A message that is no key of ours makes a listing due; as soon as that is made, all the keys go.
        if (run.headersOnly) purged = ++listings > 0;
      });
    });
    source.describe = () => Promise.resolve(infoOf({ ...info, keys: purged ? 1 : 21 }));
    const { watcher, store, clock } = makeWatcher({ source, refreshIntervalMs: REFRESH_MS });
    onTestFinished(() => watcher.stop());
    await watcher.start();
    expect(store.bucket("b")?.keys).toBe(20);
    for (let audits = 0; audits < 4; audits++) {
      clock.advance(1.1 * REFRESH_MS);
      await settled();
    }
    expect(listings).toBeGreaterThan(1);
    expect(store.bucket("b")?.keys).toBe(0);
    expect(watcher.status().repairs).toEqual({ vanished: 1 });
  });
});

describe("the audits after a load", () => {
  it("C4 come after twice the time each, up to the interval", async () => {
    const asked: number[] = [];
    const source = new FakeSource((run) =>
      queueMicrotask(() => (run.opened("first"), run.loaded())),
    );
    const { watcher, clock } = makeWatcher({ source, refreshIntervalMs: 30_000 });
    source.describe = () => {
      asked.push(clock.now());
      return Promise.resolve(infoOf({}));
    };
    onTestFinished(() => watcher.stop());
    await watcher.start();
    for (const start = clock.now(); clock.now() < start + 100_000; await settled())
      clock.advance(50);
    const waits = asked.map((at, index) => at - (asked[index - 1] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(1_100);
    for (const [index, seconds] of [2, 4, 8, 16, 30].entries()) {
      expect(waits[index + 1]).toBeGreaterThanOrEqual(seconds * 900);
      expect(waits[index + 1]).toBeLessThanOrEqual(seconds * 1_100 + 50);
    }
  });

  it.each([
    { every: 3_000, repaired: undefined },
    { every: 6_000, repaired: 1 },
  ])(
    "C4 wait for a stream that moves every $every ms, and not for one that stands still",
    async ({ every, repaired }) => {
      const source = new FakeSource((run) =>
        queueMicrotask(() => {
          run.opened("first", { revision: 1 });
          run.put("a", 1);
          run.loaded(1);
        }),
      );
      source.describe = () => Promise.resolve(infoOf({ keys: 1, messages: 1, revision: 6 }));
      const { watcher, clock } = makeWatcher({ source, refreshIntervalMs: 30_000 });
      onTestFinished(() => watcher.stop());
      await watcher.start();
      for (let revision = 2; revision <= 5; revision++) {
        for (let passed = 0; passed < every; passed += 50) {
          clock.advance(50);
          await settled();
        }
        source
          .running("b")
          .find((run) => !run.headersOnly)
          ?.put("a", revision, revision);
        await settled();
        if (repaired !== undefined) break;
      }
      expect(watcher.status().repairs["stalled"]).toBe(repaired);
    },
  );
});
