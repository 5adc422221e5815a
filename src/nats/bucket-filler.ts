import { connect } from "nats";

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

export async function openFiller(url: string): Promise<BucketFiller> {
  const connection = await connect({ servers: url, name: "nats-opa-bridge-filler" });
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
