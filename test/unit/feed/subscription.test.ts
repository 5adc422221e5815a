import { afterEach, describe, expect, it, vi } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import type { FeedFrame } from "../../../src/feed/frames.ts";
import { FeedClient, plain } from "./feed-client.ts";
import { Writer } from "./store-kit.ts";
import { readTo } from "./subscribing.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a subscription", () => {
  it("says hello with where it starts, then tells each commit as it was, values digit for digit", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("team-a");
    using subscription = feed.subscribe();
    await writer.putText("team-a", "big", "9007199254740993");
    await writer.putText("team-a", "__proto__", '{"a" : 1.0}');
    await writer.delete("team-a", "big");
    const frames = await readTo(subscription, "change");
    const epoch = feed.floor.split(":")[0]!;
    expect(frames.map(({ text }) => text)).toEqual([
      `{"type":"hello","version":1,"floor":"${epoch}:1","cursor":"${epoch}:1"}`,
      `{"type":"change","version":2,"changes":[{"op":"put","bucket":"team-a","key":"big","revision":1,"value":9007199254740993}],"cursor":"${epoch}:2"}`,
      `{"type":"change","version":3,"changes":[{"op":"put","bucket":"team-a","key":"__proto__","revision":2,"value":{"a" : 1.0}}],"cursor":"${epoch}:3"}`,
      `{"type":"change","version":4,"changes":[{"op":"delete","bucket":"team-a","key":"big","revision":3}],"cursor":"${epoch}:4"}`,
    ]);
  });

  it("can be read with for await, and is closed when that ends", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    for await (const { type } of feed.subscribe({ snapshot: true })) {
      if (type === "complete") break;
    }
    expect(feed.status().subscribers).toBe(0);
  });

  it("F1 with a snapshot, is given every bucket in sight, the empty ones too, and then what comes", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("a", ["x", "y"]);
    await writer.mount("empty");
    using subscription = feed.subscribe({ snapshot: true });
    const client = new FeedClient();
    for (const { text } of await readTo(subscription, "complete")) client.take(text);
    expect(client.types).toEqual(["hello", "snapshot", "entries", "entries", "complete"]);
    expect(plain(client.contents)).toEqual({ a: { x: "1", y: "2" }, empty: {} });
    expect(client.cursor).toBe(feed.status().cursor);
  });

  it("F1 J24 is given the data of a bucket that comes into sight, and its cursor only when it has all of it", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    using subscription = feed.subscribe();
    const names = Array.from({ length: 20_000 }, (_, index) => `k${index}`);
    await writer.mount("large", names);
    const client = new FeedClient();
    const frames = await readTo(subscription, "complete");
    for (const { text } of frames) client.take(text);
    const withCursor = frames.filter(({ cursor }) => cursor !== undefined).map(({ type }) => type);
    expect(withCursor).toEqual(["hello", "complete"]);
    expect(frames.length).toBeGreaterThan(5);
    expect(client.contents.get("large")!.size).toBe(20_000);
  });

  it("J11 tells a commit that is too large for one frame in several, and no cursor before the last", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("a");
    using subscription = feed.subscribe();
    const names = Array.from({ length: 25_000 }, (_, index) => `k${index}`);
    await writer.put("a", ...names);
    await writer.put("a", "last");
    const client = new FeedClient();
    const frames: FeedFrame[] = [];
    while (client.versions.at(-1) !== 3) {
      const more = (await subscription.next())!;
      for (const { text } of more) client.take(text);
      frames.push(...more);
    }
    const parts = frames.filter(({ text }) => text.includes('"version":2,"changes"'));
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ cursor }) => cursor !== undefined)).toEqual(
      parts.map((_, index) => index === parts.length - 1),
    );
    expect(client.contents.get("a")!.size).toBe(25_001);
  });

  it("J8 J28 on a quiet filter, is told how far the feed is", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { progressIntervalMs: 5_000 });
    await writer.mount("a");
    using subscription = feed.subscribe({ buckets: ["other*"] });
    await readTo(subscription, "hello");
    await writer.put("a", "x");
    const told = readTo(subscription, "progress");
    await vi.advanceTimersByTimeAsync(6_000);
    expect((await told).map(({ type, cursor }) => [type, cursor])).toEqual([
      ["progress", feed.status().cursor],
    ]);
  });
});
