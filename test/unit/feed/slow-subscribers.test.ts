import { afterEach, describe, expect, it, vi } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { collectGarbage } from "../../support/memory.ts";
import { FeedClient } from "./feed-client.ts";
import { Writer } from "./store-kit.ts";
import { readTo } from "./subscribing.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** Larger than any batch. */
const MANY: readonly string[] = Array.from({ length: 20_000 }, (_, index) => `k${index}`);
const PATIENT = { timeout: 20_000, interval: 10 };

describe("F2 a slow subscriber", () => {
  /** Commits so many times, each time as time passes. */
  async function writeFor(seconds: number, writer: Writer, each: () => Promise<unknown> | void) {
    for (let second = 0; second < seconds; second++) {
      for (let count = 0; count < 20; count++) await writer.put("a", `k${count}`);
      await each();
      await vi.advanceTimersByTimeAsync(1_000);
    }
  }

  it("is ended when it is far behind and does not go on, with the reason and the cursor to go on from", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { farBehind: 100, stallMs: 10_000 });
    await writer.mount("a");
    using stalled = feed.subscribe();
    await readTo(stalled, "hello");
    const { cursor } = stalled;
    await writeFor(30, writer, () => undefined);
    expect(stalled.ended.aborted).toBe(true);
    expect(feed.status()).toMatchObject({ subscribers: 0, ended: { slow: 1 } });
    const [end, ...others] = (await stalled.next())!;
    expect(JSON.parse(end!.text)).toMatchObject({ type: "end", reason: "slow", cursor });
    expect([others, await stalled.next()]).toEqual([[], undefined]);
    using again = feed.subscribe({ cursor });
    const [, first] = await readTo(again, "change");
    expect(JSON.parse(first!.text)).toMatchObject({ type: "change", version: 2 });
  });

  it("J10 is kept while it goes on, though far behind, and though its filter lets nothing through", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    // Everybody counts as far behind.
    using feed = new ChangeFeed(writer.store, { farBehind: -1, stallMs: 10_000 });
    await writer.mount("a");
    using goesOn = feed.subscribe({ prefixes: ["nothing"] });
    using stalled = feed.subscribe({ prefixes: ["nothing"] });
    const types = new Set<string>();
    const reading = (async () => {
      for await (const { type } of goesOn) types.add(type);
    })();
    await writeFor(30, writer, () => undefined);
    expect([goesOn.ended.aborted, stalled.ended.aborted]).toEqual([false, true]);
    goesOn.close();
    await reading;
    expect([...types]).toEqual(["hello", "progress"]);
  });

  it("J10 is kept while it waits for its turn to be told, for that is the feed's slowness", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    const turns: (() => void)[] = [];
    const schedule = (call: () => void): void => void turns.push(call);
    using feed = new ChangeFeed(writer.store, { farBehind: 100, stallMs: 10_000, schedule });
    await writer.mount("a");
    using waiting = feed.subscribe();
    using stalled = feed.subscribe();
    const told = waiting.next();
    await writeFor(30, writer, () => undefined);
    expect([waiting.ended.aborted, stalled.ended.aborted]).toEqual([false, true]);
    for (const turn of turns) turn();
    expect((await told)!.map(({ type }) => type)).toContain("change");
    // From now on it is the subscriber that is slow.
    await writeFor(30, writer, () => undefined);
    expect(waiting.ended.aborted).toBe(true);
  });

  it("J8 is kept when it does not read at all, as long as it is not far behind", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { farBehind: 1_000, stallMs: 10_000 });
    await writer.mount("a");
    using idle = feed.subscribe();
    await writeFor(40, writer, () => undefined);
    expect([idle.ended.aborted, idle.lag]).toEqual([false, 800]);
  });

  it("that has not read its snapshot to the end lacks every commit, and is ended when those are many", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { farBehind: 100, stallMs: 10_000 });
    await writer.mount("a", MANY);
    await writer.mount("b");
    using unread = feed.subscribe({ snapshot: true });
    using reading = feed.subscribe({ snapshot: true });
    expect([unread.lag, reading.lag, feed.status().maxLag]).toEqual([2, 2, 2]);
    const [hello] = (await reading.next())!;
    expect([hello!.type, reading.lag]).toEqual(["hello", 2]);
    await readTo(reading, "complete");
    expect([unread.lag, reading.lag, feed.status().maxLag]).toEqual([2, 0, 2]);
    // What came into sight since is one commit, until it was told to the end.
    await writer.mount("c", MANY);
    await reading.next();
    expect([unread.lag, reading.lag]).toEqual([3, 1]);
    await readTo(reading, "complete");
    expect([unread.lag, reading.lag]).toEqual([3, 0]);
    await writeFor(20, writer, async () => {
      while (reading.lag > 0) await reading.next();
    });
    expect([unread.ended.aborted, reading.ended.aborted]).toEqual([true, false]);
    const [first] = (await unread.next())!;
    expect(first!.type).toBe("hello");
  });

  it("in the middle of a bucket keeps no copy of it once it was taken away, and is told so when it reads", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("a", MANY);
    using snapshot = feed.subscribe({ snapshot: true });
    using live = feed.subscribe();
    await readTo(live, "hello");
    await writer.mount("b", MANY);
    const documents = ["a", "b"].map((bucket) => new WeakRef(writer.store.bucket(bucket)!));
    expect((await snapshot.next())!.map(({ type }) => type)).toContain("entries");
    await readTo(live, "entries");
    for (const bucket of ["a", "b"]) await writer.unmount(bucket);
    await vi.waitFor(() => {
      collectGarbage();
      expect(documents.map((one) => one.deref() === undefined)).toEqual([true, true]);
    }, PATIENT);
    for (const one of [snapshot, live]) {
      const client = new FeedClient();
      for (const { text } of await readTo(one, "complete")) client.take(text);
      expect(one.cursor).toBe(feed.status().cursor);
    }
  });

  it("costs no memory: the log is bounded by commits and by bytes, whoever reads", async () => {
    const writer = new Writer();
    using byCount = new ChangeFeed(writer.store, { maxCommits: 10 });
    using byBytes = new ChangeFeed(writer.store, { maxBytes: 10_000 });
    await writer.mount("a");
    using one = byCount.subscribe();
    using two = byBytes.subscribe();
    for (let count = 0; count < 100; count++) {
      await writer.putText("a", `k${count}`, JSON.stringify("x".repeat(1_000)));
    }
    expect(byCount.status().commits).toBe(10);
    expect(byBytes.status().commits).toBe(4);
    expect(byBytes.status().bytes).toBeLessThan(10_000);
    expect([one.lag, two.lag]).toEqual([100, 100]);
    // The newest is kept even where it is too large on its own.
    await writer.putText("a", "huge", JSON.stringify("x".repeat(100_000)));
    expect(byBytes.status().commits).toBe(1);
  });

  it("that is overtaken by the log is told so; one with snapshots is given a new one instead", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { maxCommits: 10 });
    await writer.mount("a");
    using plainOne = feed.subscribe();
    using withSnapshots = feed.subscribe({ snapshot: true });
    await readTo(plainOne, "hello");
    await readTo(withSnapshots, "complete");
    const { cursor } = plainOne;
    for (let count = 0; count < 20; count++) await writer.put("a", `k${count}`);
    const [end] = await readTo(plainOne, "end");
    const { floor } = feed;
    expect(JSON.parse(end!.text)).toMatchObject({ reason: "overtaken", cursor, floor });
    const frames = await readTo(withSnapshots, "complete");
    expect(frames.map(({ type }) => type)).toEqual(["snapshot", "entries", "complete"]);
    expect(JSON.parse(frames[0]!.text)).toMatchObject({ reason: "overtaken" });
    expect(feed.status().ended).toEqual({ slow: 0, overtaken: 1, stopping: 0 });
  });
});
