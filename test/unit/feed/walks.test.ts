import { describe, expect, it } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import type { FeedFrame } from "../../../src/feed/frames.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";
import { contentsOf, FeedClient, plain } from "./feed-client.ts";
import { Writer } from "./store-kit.ts";
import { readTo } from "./subscribing.ts";

const keys = (count: number, start = "k"): string[] =>
  Array.from({ length: count }, (_, index) => `${start}${index}`);

/** Larger than any batch. */
const MANY: readonly string[] = keys(20_000);

function entriesIn(frames: readonly FeedFrame[]): number {
  const counts = frames.map(({ text }) => {
    return (JSON.parse(text) as { entries?: unknown[] }).entries?.length ?? 0;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Reads one batch; it must be in the middle of something, so nobody could go on from it. */
async function readPart(subscription: FeedSubscription, client: FeedClient): Promise<void> {
  const frames = (await subscription.next())!;
  for (const { text } of frames) client.take(text);
  expect(frames.at(-1)!.cursor).toBeUndefined();
}

/** The cursor of the last frame of a subscription that the feed ends now. */
async function cursorAtTheEnd(
  feed: ChangeFeed,
  subscription: FeedSubscription,
): Promise<string | undefined> {
  feed.close();
  const frames = await readTo(subscription, "end");
  return frames.at(-1)!.cursor;
}

describe("a subscription that is in the middle of a bucket", () => {
  it("and overtaken by the log is given the bucket from its start, for it was told to forget all", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { maxCommits: 10 });
    await writer.mount("a", MANY);
    await writer.mount("b", ["only"]);
    using subscription = feed.subscribe({ snapshot: true });
    const client = new FeedClient();
    await readPart(subscription, client);
    expect(client.types).toEqual(["hello", "snapshot", "entries"]);
    await writer.unmount("b");
    for (let count = 0; count < 20; count++) await writer.put("a", `k${count}`);
    const frames = await readTo(subscription, "complete");
    for (const { text } of frames) client.take(text);
    expect(client.types.filter((type) => type === "snapshot")).toHaveLength(2);
    expect(plain(client.contents)).toEqual(contentsOf(writer.store));
    // And each key once: what was left of the walk before is not told.
    expect(entriesIn(frames)).toBe(MANY.length);
  });

  it("that is taken away, or replaced, is told what there is instead", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    for (const bucket of ["a", "b"]) await writer.mount(bucket, MANY);
    using subscription = feed.subscribe({ snapshot: true });
    const client = new FeedClient();
    await readPart(subscription, client);
    await writer.mount("a", ["new"]);
    await writer.unmount("b");
    const { cursor } = feed.status();
    const frames: FeedFrame[] = [];
    while (frames.at(-1)?.cursor !== cursor) frames.push(...(await subscription.next())!);
    for (const { text } of frames) client.take(text);
    expect(plain(client.contents)).toEqual({ a: { new: String(40_001) } });
    // And nothing more of what is no longer there.
    expect(entriesIn(frames)).toBe(1);
  });

  it("which came into sight can go on from before that", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    using subscription = feed.subscribe();
    await readTo(subscription, "hello");
    const { cursor } = subscription;
    await writer.mount("a", MANY);
    await readPart(subscription, new FeedClient());
    expect(subscription.cursor).toBe(cursor);
    expect(await cursorAtTheEnd(feed, subscription)).toBe(cursor);
  });

  it("of its snapshot can't go on from anywhere, whatever it was told before", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { maxCommits: 10 });
    await writer.mount("a", MANY);
    using subscription = feed.subscribe({ cursor: feed.floor, snapshot: true });
    const client = new FeedClient();
    await writer.put("a", "one", "two");
    await readTo(subscription, "change");
    for (let count = 0; count < 20; count++) await writer.put("a", `k${count}`);
    await readPart(subscription, client);
    expect(client.types).toEqual(["snapshot", "entries"]);
    expect(subscription.cursor).toBeUndefined();
    expect(await cursorAtTheEnd(feed, subscription)).toBeUndefined();
  });
});

describe("a subscription that is in the middle of a large commit", () => {
  it("can go on from before it", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("a");
    using subscription = feed.subscribe();
    await writer.put("a", "first");
    await readTo(subscription, "change");
    const { cursor } = subscription;
    await writer.put("a", ...MANY);
    await readPart(subscription, new FeedClient());
    expect(subscription.cursor).toBe(cursor);
    expect(await cursorAtTheEnd(feed, subscription)).toBe(cursor);
  });
});

describe("a snapshot", () => {
  // The first key is let through and no other, so that its last batch may have nothing to tell.
  it("is completed however many keys its last batch looks at", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    for (let count = 4_090; count < 4_100; count++) {
      await writer.mount("a", ["first", ...keys(count - 1)]);
      using subscription = feed.subscribe({ snapshot: true, prefixes: ["first", "second"] });
      const frames = await readTo(subscription, "complete");
      expect([count, frames.at(-1)!.cursor]).toEqual([count, feed.status().cursor]);
    }
  });
});
