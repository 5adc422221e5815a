import * as z from "zod";
import { bytes, duration, integer } from "./fields.ts";
import type { FeedOptions } from "./options.ts";
import type { FeedConfig } from "./types.ts";

const shape = {
  max_subscribers: integer(1_000, 1, 100_000),
  max_commits: integer(100_000, 1, 10_000_000),
  max_bytes: bytes(64 * 2 ** 20),
  progress_interval: duration("5s", 1_000),
} satisfies Record<keyof FeedOptions, z.ZodType>;

export const FEED_KEYS: readonly string[] = Object.keys(shape);

export const feedSchema: z.ZodType<FeedConfig> = z.strictObject(shape).transform((options) => {
  return {
    maxSubscribers: options.max_subscribers,
    maxCommits: options.max_commits,
    maxBytes: options.max_bytes,
    progressIntervalMs: options.progress_interval,
  };
});
