import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";
import { watchServer } from "./support.ts";

const BUCKETS = ["load-a", "load-b"];
const WRITERS = 3;
const WRITES_EACH = 2_500;
const KEYS_EACH = 40;

/** Puts, deletes and purges keys, and so makes many of them again and again. */
async function write(server: NatsServer, seed: number): Promise<void> {
  const connection = await connect({ servers: server.url });
  // Older servers' consumers lose other keys' messages when a key is purged (nats-server#3838).
  const mayPurge = serverVersionAtLeast(server, "2.10.0");
  const kvs = await Promise.all(BUCKETS.map((bucket) => open(connection, bucket)));
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const one = async (count: number): Promise<void> => {
    const kv = kvs[random(kvs.length)]!;
    const key = `group-${random(4)}.key-${random(KEYS_EACH)}`;
    const what = random(10);
    if (what === 0 && mayPurge) await kv.purge(key);
    else if (what <= 2) await kv.delete(key);
    else await kv.put(key, JSON.stringify({ seed, count }));
  };
  for (let count = 0; count < WRITES_EACH; count += 25) {
    await Promise.all(Array.from({ length: 25 }, (_, index) => one(count + index)));
  }
  await connection.close();
}

function open(connection: NatsConnection, bucket: string): Promise<KV> {
  return connection.jetstream().views.kv(bucket, { bindOnly: true });
}

/** The bucket as the client library reads it, key by key: text@revision. */
async function read(connection: NatsConnection, bucket: string): Promise<Map<string, string>> {
  const kv = await open(connection, bucket);
  const keys: string[] = [];
  for await (const key of await kv.keys()) keys.push(key);
  const entries = await Promise.all(keys.map((key) => kv.get(key)));
  return new Map(
    entries.flatMap((entry) =>
      entry?.operation === "PUT" ? [[entry.key, `${entry.string()}@${entry.revision}`]] : [],
    ),
  );
}

describe("watching a real server", () => {
  let server: NatsServer;
  let connection: NatsConnection;

  beforeAll(async () => {
    server = await startNatsServer();
    connection = await connect({ servers: server.url });
    for (const bucket of BUCKETS) {
      const kv = await connection.jetstream().views.kv(bucket, { history: 3 });
      await Promise.all(
        Array.from({ length: 200 }, (_, index) => kv.put(`there.before-${index}`, String(index))),
      );
    }
  });

  afterAll(async () => {
    await connection.close();
    await server.stop();
  });

  it("W5 two buckets under write load end as NATS has them, and no key ever goes back in revision", async () => {
    await using watching = await watchServer(server.url);
    const { store, manager, opened } = watching;
    const newest = new Map<string, number>();
    const wentBack: string[] = [];
    let announced = 0;
    store.onCommit(({ changes }) => {
      for (const change of changes) {
        const entries =
          change.type === "mount"
            ? [...change.document.entries()].map(([key, { revision }]) => ({ key, revision }))
            : change.type === "unmount"
              ? []
              : [change];
        for (const { key, revision } of entries) {
          const id = `${change.bucket} ${key}`;
          if (revision <= (newest.get(id) ?? 0)) wentBack.push(`${id}@${revision}`);
          newest.set(id, revision);
          announced++;
        }
      }
    });
    const writing = Promise.all(
      Array.from({ length: WRITERS }, (_, seed) => write(server, seed + 1)),
    );
    // The first load falls into the middle of it.
    await Promise.all(BUCKETS.map((bucket) => manager.getOrCreateWatcher(bucket)));
    await writing;
    const manage = await connection.jetstreamManager();
    for (const bucket of BUCKETS) {
      const last = (await manage.streams.info(`KV_${bucket}`)).state.last_seq;
      await vi.waitFor(() => expect(manager.watcher(bucket)?.status().revision).toBe(last), {
        timeout: 10_000,
      });
      const here = new Map(
        [...store.bucket(bucket)!.entries()].map(([key, { text, revision }]) => [
          key,
          `${text}@${revision}`,
        ]),
      );
      const there = await read(connection, bucket);
      expect(there.size).toBeGreaterThan(200);
      expect(here).toEqual(there);
      expect(manager.watcher(bucket)?.status()).toMatchObject({ state: "live", reloads: 0 });
    }
    expect(wentBack).toEqual([]);
    expect(announced).toBeGreaterThan(1_000);
    expect(opened()).toBe(2);
  });

  it("W7 100,000 made-up names asked for cause a bounded number of requests, and disturb nobody", async () => {
    await using watching = await watchServer(server.url, { maxBucketWatchers: 1 });
    const { store, manager, opened } = watching;
    const watcher = await manager.getOrCreateWatcher("load-a");
    const manage = await connection.jetstreamManager();
    const requests = async (): Promise<number> => (await manage.getAccountInfo()).api.total;
    const before = await requests();
    const startedAt = performance.now();
    const codes = new Map<string, number>();
    for (let batch = 0; batch < 50; batch++) {
      await Promise.all(
        Array.from({ length: 2_000 }, async (_, index) => {
          try {
            await manager.getOrCreateWatcher(`made-up-${batch}-${index}`);
          } catch (error) {
            const { code } = error as { code: string };
            codes.set(code, (codes.get(code) ?? 0) + 1);
          }
        }),
      );
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const asked = (await requests()) - before;
    // 100 at once, 20 a second, those under way, and the two questions of this test.
    expect(asked).toBeLessThanOrEqual(100 + Math.ceil(20 * seconds) + 4 + 2);
    expect(asked).toBeGreaterThanOrEqual(100);
    expect(codes.get("BUCKET_NOT_FOUND")).toBe(opened() - 1);
    expect(codes.get("BUCKET_LOOKUPS_LIMITED")).toBe(100_000 - opened() + 1);
    expect(manager.watcher("load-a")).toBe(watcher);
    expect(manager.status()).toMatchObject({ watchers: 1, counts: { lru: 0 } });
    expect(manager.status().remembered).toMatchObject({ creating: 0, failures: opened() - 1 });
    // The watched bucket is as live as before.
    const revision = await (await open(connection, "load-a")).put("still", '"live"');
    await vi.waitFor(
      () => expect(store.bucket("load-a")?.entry("still")).toEqual({ text: '"live"', revision }),
      { timeout: 5_000 },
    );
  });

  it("W1 one of many buckets that can't be loaded fails alone", async () => {
    await using watching = await watchServer(server.url, { maxBucketKeys: 150 });
    const { manager, store } = watching;
    const names = ["small-1", "small-2", "small-3"];
    for (const name of names) {
      await (await connection.jetstream().views.kv(name)).put("k", "1");
    }
    const outcomes = await Promise.all(
      [...names, "load-a", "not-there"].map((name) =>
        manager.getOrCreateWatcher(name).then(
          () => "live",
          ({ code }: { code: string }) => code,
        ),
      ),
    );
    expect(outcomes).toEqual(["live", "live", "live", "BUCKET_OVER_BUDGET", "BUCKET_NOT_FOUND"]);
    expect(store.buckets().toSorted()).toEqual(names);
    expect(manager.status().bytes).toBe(names.length * "k1".length);
  });
});
