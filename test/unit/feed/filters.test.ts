import { describe, expect, it } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { Writer } from "./store-kit.ts";
import { expectRefusal } from "./subscribing.ts";

describe("J16 a filter", () => {
  it("that can't be used is refused", () => {
    using feed = new ChangeFeed(new Writer().store);
    const many = Array.from({ length: 17 }, (_, index) => `b${index}`);
    for (const buckets of [[""], ["a b"], ["a.b"], ["x".repeat(253)], ["ok", "é"], many]) {
      expectRefusal(feed, { buckets }, "FEED_FILTER");
    }
    for (const prefixes of [[""], ["a."], [".a"], ["a..b"], ["x".repeat(1_025)], many]) {
      expectRefusal(feed, { prefixes }, "FEED_FILTER");
    }
    expect(feed.status().subscribers).toBe(0);
  });

  it("made to be slow costs little, however many changes there are", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store);
    const name = "a".repeat(252);
    await writer.mount(name);
    const buckets = Array.from({ length: 16 }, (_, index) =>
      `${"*a".repeat(125)}${index % 10}*`.slice(-252),
    );
    using subscription = feed.subscribe({ buckets });
    for (let count = 0; count < 2_000; count++) await writer.put(name, "k");
    const started = performance.now();
    while (subscription.lag > 0) {
      subscription.tellProgress();
      await subscription.next();
    }
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
