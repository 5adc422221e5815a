import { expect } from "vitest";
import type { ChangeFeed, SubscribeOptions } from "../../../src/feed/change-feed.ts";
import type { FeedFrame } from "../../../src/feed/frames.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";

/** The frames up to the first one of this type. */
export async function readTo(
  subscription: FeedSubscription,
  type: FeedFrame["type"],
): Promise<FeedFrame[]> {
  const all: FeedFrame[] = [];
  while (!all.some((frame) => frame.type === type)) {
    const frames = await subscription.next();
    if (frames === undefined) throw new Error(`over before ${type}`);
    all.push(...frames);
  }
  return all;
}

export function expectRefusal(feed: ChangeFeed, options: SubscribeOptions, code: string): void {
  expect(() => feed.subscribe(options)).toThrow(expect.objectContaining({ code }) as Error);
}
