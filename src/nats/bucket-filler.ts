import { setTimeout as delay } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";

/** Puts data into buckets; for demos and examples. The bridge itself never creates a bucket. */
export interface BucketFiller {
  /** Creates each bucket where it is missing and puts its keys; the answer is how many keys there were. */
  fill(
    buckets: ReadonlyMap<string, ReadonlyMap<string, unknown>>,
    onProgress?: (done: number, total: number) => void,
  ): Promise<number>;
  /** Puts one key; the answer is its revision. */
  put(bucket: string, key: string, value: unknown): Promise<number>;
  close(): Promise<void>;
}

/** How many puts are under way at a time. */
const CONCURRENT_PUTS = 64;

export interface FillerOptions {
  /** How often to try while no server answers, a second apart. Default 1. */
  readonly attempts?: number;
}

export async function openFiller(
  url: string,
  { attempts = 1 }: FillerOptions = {},
): Promise<BucketFiller> {
  const connection = await connected(url, attempts);
  const jetstream = connection.jetstream();
  const put = async (bucket: string, key: string, value: unknown): Promise<number> => {
    const kv = await jetstream.views.kv(bucket, { bindOnly: true });
    return kv.put(key, JSON.stringify(value));
  };
  return {
    put,
    close: () => connection.close(),
    async fill(buckets, onProgress) {
      for (const bucket of buckets.keys()) await jetstream.views.kv(bucket);
      const puts = [...buckets].flatMap(([bucket, entries]) =>
        [...entries].map(([key, value]) => ({ bucket, key, value })),
      );
      let next = 0;
      let done = 0;
      const work = async (): Promise<void> => {
        for (let entry = puts[next++]; entry !== undefined; entry = puts[next++]) {
          await put(entry.bucket, entry.key, entry.value);
          onProgress?.(++done, puts.length);
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT_PUTS }, work));
      return puts.length;
    },
  };
}

/** The client's own waitOnFirstConnect tries for ever, whatever maxReconnectAttempts says. */
async function connected(url: string, attempts: number): Promise<NatsConnection> {
  for (let left = attempts; ; left--) {
    try {
      return await connect({ servers: url, name: "nats-opa-bridge-filler" });
    } catch (error) {
      if (left <= 1) throw error;
      await delay(1_000);
    }
  }
}
