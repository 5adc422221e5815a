import { expect, it, vi } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";
import { Follower, FullSpeed, type Manner } from "./crowd.ts";
import { usedBytes } from "../../support/memory.ts";
import { plain } from "./feed-client.ts";
import { Writer } from "./store-kit.ts";

const SUBSCRIBERS = 200;
const BURSTS = 60;

function manner(index: number): Manner {
  return {
    snapshot: index % 2 === 0,
    bucket: index % 3 === 0 ? "a" : undefined,
    pause: index % 10 === 9 ? "never" : [0, 0, 1, 4, 15][index % 5]!,
    leavesAfter: [1, 3, 1_000_000][index % 3]!,
  };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

it("F1 F2 J7 200 subscribers of any speed that come and go at full speed are told every version once, in order, and no writer waits for them", async () => {
  const alone = new FullSpeed();
  await alone.start();
  for (let burst = 0; burst < BURSTS; burst++) await alone.burst();

  const source = new FullSpeed();
  await source.start();
  using feed = new ChangeFeed(source.writer.store, { farBehind: 100, stallMs: 300 });
  const followers: Follower[] = [];
  const running: Promise<void>[] = [];
  const failures: unknown[] = [];
  for (let burst = 0; burst < BURSTS; burst++) {
    // Well before the end, so that all have something to come.
    while (followers.length < Math.min(SUBSCRIBERS, (burst + 1) * 5)) {
      const follower = new Follower(source, feed, manner(followers.length));
      followers.push(follower);
      running.push(follower.run().catch((error: unknown) => void failures.push(error)));
    }
    await source.burst();
  }
  await vi.waitFor(
    () => {
      if (failures.length > 0) return;
      expect(feed.status()).toMatchObject({ subscribers: SUBSCRIBERS, maxLag: 0 });
      expect(feed.status().ended.slow).toBeGreaterThanOrEqual(SUBSCRIBERS / 10);
      for (const one of followers) expect(plain(one.told.client.contents)).toEqual(one.wanted());
    },
    { timeout: 45_000, interval: 20 },
  );
  expect(failures).toEqual([]);
  feed.close();
  await Promise.all(running);
  expect(failures).toEqual([]);

  expect(new Set(followers.map(({ told }) => told.ends.at(-1)))).toEqual(new Set(["stopping"]));
  const stalled = followers.filter((_, index) => manner(index).pause === "never");
  expect(new Set(stalled.map(({ told }) => told.ends[0]))).toEqual(new Set(["slow"]));
  expect(followers.filter(({ told }) => told.rejoined > 0).length).toBeGreaterThanOrEqual(
    SUBSCRIBERS / 4,
  );
  // Nobody else had a turn between two commits of a burst, so nobody was waited for.
  expect([alone.waited, source.waited]).toEqual([0, 0]);
  expect(median(source.bursts)).toBeLessThan(4 * median(alone.bursts) + 0.5);
}, 60_000);

it("F2 a subscriber that does not read costs nothing that grows, and the log keeps to its limit", async () => {
  const writer = new Writer();
  const limits = { maxBytes: 2 ** 20, farBehind: Number.POSITIVE_INFINITY };
  using feed = new ChangeFeed(writer.store, limits);
  await writer.mount("a", ["k"]);
  const stalled: FeedSubscription[] = [];
  for (let count = 0; count < SUBSCRIBERS; count++) stalled.push(feed.subscribe());
  await Promise.all(stalled.map((one) => one.next()));
  const write = async (commits: number): Promise<number> => {
    for (let count = 0; count < commits; count++) await writer.put("a", "k");
    return usedBytes();
  };
  const before = await write(8_000);
  const after = await write(8_000);
  expect(feed.status().bytes).toBeLessThanOrEqual(2 ** 20);
  // A word for each subscriber and commit would be 12 MiB.
  expect(after - before).toBeLessThan(2 * 2 ** 20);
  expect(feed.status()).toMatchObject({ subscribers: SUBSCRIBERS, maxLag: 16_000 });
}, 30_000);
