import { setImmediate as nextTurn } from "node:timers/promises";
import { Empty } from "nats";
import { deferred, within } from "../common/async.ts";
import { BridgeError, quote } from "../errors.ts";
import type { BucketInfo, BucketSource } from "./bucket-source.ts";
import type { NatsLink } from "./connection.ts";

/** The server at the other end. */
export interface ServerFacts {
  readonly url: string;
  readonly version: string;
  /** Whether this very server has JetStream; for a leaf node, others may have it. */
  readonly jetstream: boolean;
}

/** What a bucket turned out to be when it was followed. */
export interface BucketFacts extends BucketInfo {
  /** Keys that have a value. */
  readonly liveKeys: number;
}

/** The server that the link is connected to. */
export async function inspectServer(link: NatsLink): Promise<ServerFacts> {
  const connection = await link.connection();
  const { version = "", jetstream = false } = connection.info ?? {};
  return { url: connection.getServer(), version, jetstream };
}

/**
 * Follows a bucket as the bridge does, without its values, until all its keys were heard of; and tries whether
 * flow control may be answered, which only large buckets need. Rejects with the error that a watcher would have.
 */
export async function inspectBucket(
  link: NatsLink,
  source: BucketSource,
  bucket: string,
  timeoutMs: number,
): Promise<BucketFacts> {
  const keys = new Set<string>();
  const loaded = deferred<BucketInfo>();
  const ended = deferred<never>();
  ended.promise.catch(() => undefined);
  let info: BucketInfo | undefined;
  const run = source.open(
    bucket,
    {
      opened: (opened) => (info = opened),
      entry: ({ key, operation }) => void (operation === "put" ? keys.add(key) : keys.delete(key)),
      loaded: () => loaded.resolve(info!),
      whole: () => undefined,
      current: () => undefined,
      ended: (reason) => ended.reject(reason),
    },
    { headersOnly: true },
  );
  try {
    const facts = await within(
      timeoutMs,
      Promise.race([loaded.promise, ended.promise]),
      () =>
        new BridgeError(
          "BUCKET_LOAD_TIMEOUT",
          `Bucket ${quote(bucket)} was not heard to its end within plugins.nats.load_timeout; raise it, or see to the way to NATS.`,
        ),
    );
    // Nobody listens there, so nothing but the permission is told. The server's refusal comes before its answer
    // to the flush, and ends the stream.
    const connection = await link.connection();
    connection.publish(`$JS.FC.KV_${bucket}.check.1`, Empty);
    await connection.flush();
    await nextTurn();
    await Promise.race([ended.promise, Promise.resolve()]);
    return { ...facts, liveKeys: keys.size };
  } finally {
    run.stop();
  }
}
