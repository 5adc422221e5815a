import {
  connect,
  type ConnectionOptions,
  type JetStreamManager,
  type KV,
  type NatsConnection,
  Empty,
} from "nats";
import { type Deferred, deferred } from "../../../src/common/async.ts";
import type { BridgeError } from "../../../src/errors.ts";
import type {
  BucketEntry,
  BucketInfo,
  BucketRun,
  BucketSink,
} from "../../../src/nats/bucket-source.ts";
import { BucketStream } from "../../../src/nats/bucket-stream.ts";
import type { NatsLink } from "../../../src/nats/connection.ts";

/** An entry with its data as text, since the bytes are only lent. */
export interface HeardEntry extends Omit<BucketEntry, "data"> {
  readonly text: string;
}

/** Keeps what a bucket's stream says, and the map that follows from it. */
export class RecordingSink implements BucketSink {
  readonly opening: Deferred<BucketInfo> = deferred<BucketInfo>();
  readonly loading: Deferred<number> = deferred<number>();
  readonly ending: Deferred<BridgeError> = deferred<BridgeError>();
  /** The calls in order; entries as `put key` and `delete key`, `current` only once in a row. */
  readonly calls: string[] = [];
  readonly map: Map<string, string> = new Map<string, string>();
  entries: HeardEntry[] = [];
  count = 0;
  /** How old `loaded` was when it came. */
  loadedAgeMs: number | undefined;
  /** How long after `opened` it came, in milliseconds. */
  loadedAfterMs: number | undefined;
  /** The map at `loaded`. */
  snapshot: ReadonlyMap<string, string> | undefined;
  readonly #recordAll: boolean;
  #openedAt = 0;

  constructor(recordAll = true) {
    this.#recordAll = recordAll;
    this.loading.promise.catch(() => undefined);
  }

  opened(info: BucketInfo): void {
    this.calls.push("opened");
    this.#openedAt = performance.now();
    this.opening.resolve(info);
  }

  entry({ data, ...entry }: BucketEntry): void {
    this.count++;
    const text = Buffer.from(data).toString();
    if (this.#recordAll) {
      this.calls.push(`${entry.operation} ${entry.key}`);
      this.entries.push({ ...entry, text });
    }
    if (entry.operation === "delete") this.map.delete(entry.key);
    else this.map.set(entry.key, text);
  }

  loaded(revision: number, ageMs = 0): void {
    this.calls.push("loaded");
    this.loadedAgeMs = ageMs;
    this.loadedAfterMs = performance.now() - this.#openedAt;
    this.snapshot = new Map(this.map);
    this.loading.resolve(revision);
  }

  whole(revision: number): void {
    if (this.#recordAll) this.calls.push(`whole to ${revision}`);
  }

  current(): void {
    if (this.calls.at(-1) !== "current") this.calls.push("current");
  }

  ended(reason: BridgeError): void {
    this.calls.push("ended");
    this.ending.resolve(reason);
    this.loading.reject(reason);
  }
}

/** Follows a bucket; what it says is in the sink. */
export function follow(
  link: NatsLink,
  bucket: string,
  sink: RecordingSink = new RecordingSink(),
): RecordingSink & { run: BucketRun } {
  return Object.assign(sink, { run: new BucketStream(link, bucket, sink) });
}

/** A connection of the library itself, beside the bridge's, to prepare buckets and look after them. */
export interface Author extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Creates the bucket. */
  create(
    bucket: string,
    options?: Parameters<ReturnType<NatsConnection["jetstream"]>["views"]["kv"]>[1],
  ): Promise<KV>;
  /** Puts keys without waiting for each. */
  putAll(bucket: string, entries: Iterable<readonly [string, string]>): Promise<void>;
  consumers(bucket: string): Promise<number>;
}

export async function author(url: string, options: ConnectionOptions = {}): Promise<Author> {
  const connection = await connect({
    servers: url,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
    ...options,
  });
  const manager = await connection.jetstreamManager();
  const jetstream = connection.jetstream();
  return {
    connection,
    manager,
    create: (bucket, options) => jetstream.views.kv(bucket, options),
    async putAll(bucket, entries) {
      let waiting: Promise<unknown>[] = [];
      for (const [key, value] of entries) {
        waiting.push(jetstream.publish(`$KV.${bucket}.${key}`, value === "" ? Empty : value));
        if (waiting.length < 1_000) continue;
        await Promise.all(waiting);
        waiting = [];
      }
      await Promise.all(waiting);
    },
    async consumers(bucket) {
      return (await manager.streams.info(`KV_${bucket}`)).state.consumer_count;
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}

/** `count` keys `<prefix>0`, `<prefix>1`, … with small JSON values. */
export function numbered(count: number, prefix = "key."): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`${prefix}${index}`, `{"n":${index}}`]);
}
