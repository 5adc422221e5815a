import { describe, expect, it } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { Writer } from "./store-kit.ts";
import { expectRefusal, readTo } from "./subscribing.ts";

describe("a feed", () => {
  it("has a limit of subscribers, and gives the place of one that left to another", () => {
    using feed = new ChangeFeed(new Writer().store, { maxSubscribers: 2 });
    const first = feed.subscribe();
    using second = feed.subscribe();
    expectRefusal(feed, {}, "FEED_FULL");
    first.close();
    using third = feed.subscribe();
    expect([second.lag, third.lag]).toEqual([0, 0]);
  });

  it("that is closed tells every subscriber, and takes no more", async () => {
    const feed = new ChangeFeed(new Writer().store);
    using subscription = feed.subscribe();
    await readTo(subscription, "hello");
    const last = readTo(subscription, "end");
    feed.close();
    feed.close();
    const { cursor } = subscription;
    expect(JSON.parse((await last)[0]!.text)).toMatchObject({ reason: "stopping", cursor });
    expectRefusal(feed, {}, "BRIDGE_STOPPING");
  });

  it("keeps no log before its first subscriber", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    await writer.mount("a", ["k"]);
    expect(feed.status()).toMatchObject({ commits: 0, bytes: 0 });
  });
});
