import type { StreamConfig, StreamInfo } from "nats";
import { parseDuration } from "../common/duration.ts";
import type { BucketInfo } from "./bucket-source.ts";

const NANOSECONDS_PER_MS = 1e6;

/** What matters of a stream to those who follow it as a bucket. */
export function bucketInfo({ created, config, state }: StreamInfo): BucketInfo {
  return {
    incarnation: created,
    keys: state.num_subjects ?? 0,
    bytes: state.bytes,
    revision: state.last_seq,
    messages: state.messages,
    history: config.max_msgs_per_subject,
    maxAgeMs: config.max_age > 0 ? config.max_age / NANOSECONDS_PER_MS : Infinity,
  };
}

/** Tells when entries of one bucket expire. */
export type Expiry = (createdMs: number, ttl: string) => number;

/**
 * When the server removes an entry: at the bucket's age or at the entry's own time to live (the header Nats-TTL,
 * ADR-43), whichever comes first. One that says "never" outlives the bucket's age.
 */
export function expiryOf(config: StreamConfig): Expiry {
  const maxAgeMs = config.max_age > 0 ? config.max_age / NANOSECONDS_PER_MS : Infinity;
  // The library's type is older than this setting.
  const { allow_msg_ttl: ownTtl } = config as StreamConfig & { readonly allow_msg_ttl?: boolean };
  if (ownTtl !== true) return (createdMs) => createdMs + maxAgeMs;
  return (createdMs, ttl) =>
    ttl === "never" ? Infinity : createdMs + Math.min(maxAgeMs, ttlMs(ttl));
}

/** A number of seconds or a duration, which the server rounds down to seconds; anything else is none. */
function ttlMs(ttl: string): number {
  if (ttl === "") return Infinity;
  let seconds: number;
  try {
    seconds = /^\d+$/.test(ttl) ? Number(ttl) : Math.floor(parseDuration(ttl) / 1_000);
  } catch {
    return Infinity;
  }
  return seconds > 0 ? seconds * 1_000 : Infinity;
}
