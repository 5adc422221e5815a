import { describe, expect, it } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { Writer } from "./store-kit.ts";
import { expectRefusal, readTo } from "./subscribing.ts";

describe("F2 J14 J15 a cursor", () => {
  it("J12 J29 below the floor is refused; one at the floor is not", async () => {
    const writer = new Writer();
    using feed = new ChangeFeed(writer.store, { maxCommits: 10 });
    feed.subscribe().close();
    await writer.mount("a");
    for (let count = 0; count < 20; count++) await writer.put("a", `k${count}`);
    const [epoch, floor] = feed.floor.split(":");
    expect(floor).toBe("11");
    expectRefusal(feed, { cursor: `${epoch}:10` }, "FEED_CURSOR_TOO_OLD");
    using at = feed.subscribe({ cursor: `${epoch}:11` });
    expect((await readTo(at, "change")).at(-1)!.text).toContain('"version":21');
    using fresh = feed.subscribe({ cursor: `${epoch}:10`, snapshot: true });
    expect((await readTo(fresh, "snapshot"))[1]!.text).toContain('"reason":"cursor_too_old"');
  });

  it("J13 of another run is known as such, one from the future and one that is none are refused", async () => {
    const { store } = new Writer();
    using before = new ChangeFeed(store);
    using feed = new ChangeFeed(store);
    expectRefusal(feed, { cursor: before.status().cursor }, "FEED_CURSOR_EPOCH");
    using fresh = feed.subscribe({ cursor: before.status().cursor, snapshot: true });
    expect((await readTo(fresh, "snapshot"))[1]!.text).toContain('"reason":"other_epoch"');
    const [epoch] = feed.floor.split(":");
    expectRefusal(feed, { cursor: `${epoch}:1` }, "FEED_CURSOR_INVALID");
    for (const cursor of [
      "",
      "1",
      "x:",
      ":1",
      "x:-1",
      "x:01",
      "x:1e3",
      `x:${"9".repeat(17)}`,
      "x:1\n",
    ]) {
      expectRefusal(feed, { cursor }, "FEED_CURSOR_INVALID");
    }
  });
});
