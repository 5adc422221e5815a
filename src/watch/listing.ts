import { setImmediate } from "node:timers/promises";
import type { BucketSource } from "../nats/bucket-source.ts";
import type { BucketDocument } from "../store/bucket-document.ts";
import type { Clock } from "./clock.ts";
import type { Heard } from "./heard.ts";
import { listen } from "./listen.ts";
import { stoppedError } from "./stream-end.ts";

/** Every key of a bucket with the revision of its last message, negative where that is a delete marker. */
export interface Listing {
  readonly keys: ReadonlyMap<string, number>;
  /** Keys that expire, with their time. */
  readonly expires: ReadonlyMap<string, number>;
  /** Up to which revision it is complete. */
  readonly revision: number;
}

/** What a listing has to say about the copy. `unclear`: the bucket has changed too much meanwhile. */
export type ListingVerdict = "equal" | "vanished" | "missing" | "unclear";

/** Keys compared in one piece. */
const SLICE = 2_000;

/** Asks for every key without its value. Rejects with the reason why the listing's stream ended. */
export async function list(
  source: BucketSource,
  bucket: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Listing> {
  const keys = new Map<string, number>();
  const expires = new Map<string, number>();
  return new Promise((resolve, reject) => {
    const listening = listen(
      source,
      bucket,
      clock,
      {
        opened: () => undefined,
        entry({ key, revision, operation, expiresMs }) {
          keys.set(key, operation === "put" ? revision : -revision);
          if (expiresMs !== Infinity) expires.set(key, expiresMs);
          else if (expires.size > 0) expires.delete(key);
        },
        loaded(revision) {
          resolve({ keys, expires, revision });
          listening.end(stoppedError(bucket));
        },
        whole: () => undefined,
        current: () => undefined,
      },
      { headersOnly: true },
    );
    const stop = (): void => listening.end(stoppedError(bucket));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    void listening.ended.then(({ reason }) => {
      signal.removeEventListener("abort", stop);
      reject(reason);
    });
  });
}

/** Compares a listing with the copy, which goes on changing: only what both should know by now counts. */
export async function compare(
  listing: Listing,
  heard: Heard,
  document: BucketDocument,
  clock: Clock,
): Promise<ListingVerdict> {
  const from = heard.position;
  let matched = 0;
  let count = 0;
  for (const [key, listed] of listing.keys) {
    if (++count % SLICE === 0) await setImmediate();
    const revision = Math.abs(listed);
    const own = document.entry(key)?.revision;
    const live = own !== undefined || document.refused.has(key);
    if (listed > 0 && live) matched++;
    // Either side may know more than the other of what has happened while the listing was made.
    if (revision > from || (own ?? heard.endedAt(key) ?? 0) > listing.revision) continue;
    if (listed < 0) {
      if (own !== undefined) return "missing";
      continue;
    }
    if (own === revision || (own === undefined && live)) continue;
    if ((listing.expires.get(key) ?? Infinity) <= clock.epochMs()) continue;
    return "missing";
  }
  const surplus = document.keys - matched;
  if (surplus <= 0) return "equal";
  // What has come after the listing may account for that many keys.
  return surplus > heard.position - listing.revision ? "vanished" : "unclear";
}
