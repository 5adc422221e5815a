import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type Author, author, follow, numbered, RecordingSink } from "./bucket-kit.ts";
import { connectedLink, type TestLink } from "./link-kit.ts";

let server: NatsServer;
let admin: Author;
let link: TestLink;
beforeAll(async () => {
  server = await startNatsServer();
  admin = await author(server.url);
  link = await connectedLink(server.url);
});
afterAll(async () => {
  await link.close();
  await admin[Symbol.asyncDispose]();
  await server.stop();
});

const KEYS = 10_000;
const keys = numbered(KEYS).map(([key]) => key);
const hotKeys = Array.from({ length: 8 }, (_, index) => `hot.${index}`);

/** Starts a thread that overwrites keys of the bucket at full speed; the answer stops it, and tells how often it did. */
async function startWriter(bucket: string, choice: readonly string[]) {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("writer.mjs", import.meta.url), {
    workerData: { url: server.url, bucket, keys: choice, shared },
  });
  const exited = once(worker, "exit");
  await vi.waitUntil(() => Atomics.load(shared, 0) > 0, { timeout: 10_000, interval: 5 });
  return async (): Promise<number> => {
    Atomics.store(shared, 1, 1);
    await exited;
    return Atomics.load(shared, 0);
  };
}

/** Overwrites keys with two writers while `work` runs; the answer is how many writes there were. */
async function whileWriting(
  bucket: string,
  choice: readonly string[],
  work: () => Promise<void>,
): Promise<number> {
  const writers = await Promise.all([1, 2].map(() => startWriter(bucket, choice)));
  let counts: number[] = [];
  try {
    await work();
  } finally {
    counts = await Promise.all(writers.map((stop) => stop()));
  }
  return counts.reduce((sum, count) => sum + count, 0);
}

describe("a bucket that is written to at full speed", () => {
  test.each([
    ["all keys", 1],
    ["a few hot keys", 1],
    ["all keys", 5],
    ["a few hot keys", 5],
  ])("W5 (%s, history %i) has every key that it had when it was opened", async (which, history) => {
    const bucket = `busy-${which.replaceAll(" ", "-")}-${history}`;
    await admin.create(bucket, { history });
    await admin.putAll(bucket, numbered(KEYS));
    await admin.putAll(bucket, numbered(hotKeys.length, "hot."));
    const choice = which === "all keys" ? keys : hotKeys;
    const written = await whileWriting(bucket, choice, async () => {
      for (let round = 0; round < 2; round++) {
        const sink = follow(link, bucket, new RecordingSink(false));
        await sink.loading.promise;
        const missing = [...keys, ...hotKeys].filter((key) => !sink.snapshot!.has(key));
        expect(missing).toEqual([]);
        expect(sink.calls).not.toContain("ended");
        sink.run.stop();
      }
    });
    expect(written).toBeGreaterThan(500);
  });

  test("W5 is followed live to the last value of every key, however long the process is blocked", async () => {
    const bucket = "followed";
    const kv = await admin.create(bucket);
    await admin.putAll(bucket, numbered(5_000));
    const sink = follow(link, bucket, new RecordingSink(false));
    await sink.loading.promise;
    await whileWriting(bucket, keys.slice(0, 5_000), async () => {
      // Longer than silence is suffered.
      const until = performance.now() + 5_000;
      while (performance.now() < until);
      await sink.loading.promise;
    });
    await kv.put("last", "1");
    await expect.poll(() => sink.map.get("last"), { timeout: 10_000 }).toBe("1");
    expect(sink.calls).not.toContain("ended");
    const fresh = follow(link, bucket, new RecordingSink(false));
    await fresh.loading.promise;
    expect(sink.map).toEqual(fresh.snapshot);
    fresh.run.stop();
    sink.run.stop();
  });
});

test.each([1, 5])(
  "W5 keys that are removed behind the server's list (history %i) hide none that stayed",
  async (history) => {
    const bucket = `vanishing-${history}`;
    await admin.create(bucket, { history });
    const value = "v".repeat(20_000);
    const count = 1_000;
    await admin.putAll(
      bucket,
      numbered(count).map(([key]) => [key, value]),
    );
    const sink = new RecordingSink(false);
    const entry = sink.entry.bind(sink);
    const removed = new Set([880, 900, 901, 950]);
    // Flow control holds the server up until we answer, so at the first entry the last ones are not yet on their way.
    let removing: Promise<unknown> | undefined;
    sink.entry = (first) => {
      removing ??= Promise.all(
        [...removed].map((index) => admin.manager.streams.deleteMessage(`KV_${bucket}`, index + 1)),
      );
      entry(first);
    };
    const { run } = follow(link, bucket, sink);
    const begin = performance.now();
    await sink.loading.promise;
    await removing;
    const missing = numbered(count)
      .map(([key]) => key)
      .filter((key) => !sink.snapshot!.has(key));
    for (const key of missing) expect(removed).toContain(Number(key.slice(4)));
    expect(performance.now() - begin).toBeLessThan(15_000);
    run.stop();
  },
);
