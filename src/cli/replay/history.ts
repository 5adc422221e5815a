import { deferred, within } from "../../common/async.ts";
import { BridgeError, quote } from "../../errors.ts";
import type { BucketEntry, BucketInfo, BucketSource } from "../../nats/bucket-source.ts";
import type { BucketDocument, KeyChange } from "../../store/bucket-document.ts";
import { changeOf } from "../../watch/load.ts";

/** A bucket's values as far as NATS still has them. */
export interface BucketHistory {
  readonly info: BucketInfo;
  readonly keys: ReadonlyMap<string, readonly PastValue[]>;
}

/** Of one key; a change without a value ends the key. */
interface PastValue {
  readonly change: KeyChange;
  readonly expiresMs: number;
}

export interface HistoryLimits {
  readonly timeoutMs: number;
  /** Characters of keys and values, older ones included. */
  readonly maxBytes: number;
}

/** Reads all that NATS has of a bucket. Rejects like a watcher's load, with `BUCKET_OVER_BUDGET` beyond the limit. */
export async function readHistory(
  source: BucketSource,
  bucket: string,
  { timeoutMs, maxBytes }: HistoryLimits,
  onProgress: (values: number) => void,
): Promise<BucketHistory> {
  const keys = new Map<string, PastValue[]>();
  const done = deferred<BucketInfo>();
  let info: BucketInfo | undefined;
  let bytes = 0;
  let values = 0;
  const add = (entry: BucketEntry): void => {
    const change = changeOf(entry);
    bytes += entry.key.length + (change.value?.text.length ?? 0);
    if (bytes > maxBytes) throw tooLarge(bucket, maxBytes);
    const past = { change, expiresMs: entry.expiresMs };
    const known = keys.get(entry.key);
    if (known === undefined) keys.set(entry.key, [past]);
    else known.push(past);
    if (++values % 10_000 === 0) onProgress(values);
  };
  const run = source.open(
    bucket,
    {
      opened: (opened) => (info = opened),
      entry: add,
      loaded: () => done.resolve(info!),
      whole: () => undefined,
      current: () => undefined,
      ended: (reason) => done.reject(reason),
    },
    { history: true },
  );
  try {
    return { info: await within(timeoutMs, done.promise, () => tooSlow(bucket)), keys };
  } finally {
    run.stop();
  }
}

/** Why a document of the past can't be had. */
export interface Lost {
  readonly lost: string;
}

/**
 * Fills an empty document with the bucket as it was at a revision and a time, or tells why NATS can't say any more.
 * Keys that were removed since without a marker (expired, or purged with their markers) leave no trace to tell by.
 */
export function documentAt(
  { info, keys }: BucketHistory,
  document: BucketDocument,
  revision: number,
  timeMs: number,
): BucketDocument | Lost {
  if (Date.parse(info.incarnation) > timeMs) {
    return { lost: `the bucket was made anew at ${info.incarnation}, after the decision` };
  }
  if (revision > info.revision) {
    return {
      lost: `the decision used revision ${revision}, and NATS has ${info.revision} at most`,
    };
  }
  for (const [key, values] of keys) {
    const past = values.findLast(({ change }) => change.revision <= revision);
    if (past === undefined) {
      const [first] = values;
      const isFull = info.history > 0 && values.length >= info.history;
      // A marker has something before it that it ended.
      const isEnd = first!.change.value === undefined && first!.change.refused === undefined;
      if (!isFull && !isEnd) continue;
      return {
        lost: `key ${quote(key)} has changed since, at revision ${first!.change.revision}, and what it may have been before is gone: the bucket keeps ${info.history} value(s) of a key (nats kv edit --history)`,
      };
    }
    if (past.expiresMs > timeMs) document.apply(past.change);
  }
  document.followed(revision);
  return document;
}

function tooLarge(bucket: string, maxBytes: number): BridgeError {
  return new BridgeError(
    "BUCKET_OVER_BUDGET",
    `The history of bucket ${quote(bucket)} has more than ${maxBytes} bytes; raise plugins.nats.max_bucket_bytes.`,
  );
}

function tooSlow(bucket: string): BridgeError {
  return new BridgeError(
    "BUCKET_LOAD_TIMEOUT",
    `The history of bucket ${quote(bucket)} did not come within plugins.nats.load_timeout; raise it.`,
  );
}
