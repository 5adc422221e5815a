import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";
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

describe("the snapshot of a bucket", () => {
  test("W7 is refused where there is no bucket, and none is made", async () => {
    const sink = follow(link, "missing");
    expect(await sink.ending.promise).toMatchObject({
      code: "BUCKET_NOT_FOUND",
      message: 'There is no KV bucket "missing"; create it with: nats kv add missing',
    });
    expect(sink.calls).toEqual(["ended"]);
    const streams = await admin.manager.streams.list().next();
    expect(streams.map(({ config }) => config.name)).not.toContain("KV_missing");
  });

  test("W5 is refused where the bucket has as many consumers as it may, with what to raise", async () => {
    await admin.create("full");
    const { config } = await admin.manager.streams.info("KV_full");
    await admin.manager.streams.delete("KV_full");
    await admin.manager.streams.add({ ...config, max_consumers: 1 });
    const [first, second] = [follow(link, "full"), follow(link, "full")];
    const refused = await Promise.race([first.ending.promise, second.ending.promise]);
    expect(refused).toMatchObject({
      code: "BUCKET_STREAM_ENDED",
      message: expect.stringMatching(
        /^Bucket "full" can't be followed: .* raise max_consumers of its stream/,
      ),
    });
    first.run.stop();
    second.run.stop();
  });

  test("W5 of an empty bucket is loaded at once", async () => {
    await admin.create("empty");
    const begin = performance.now();
    const sink = follow(link, "empty");
    expect(await sink.loading.promise).toBe(0);
    expect(performance.now() - begin).toBeLessThan(900);
    const info = await admin.manager.streams.info("KV_empty");
    expect(await sink.opening.promise).toMatchObject({
      incarnation: info.created,
      keys: 0,
      bytes: 0,
    });
    expect(sink.calls.slice(0, 2)).toEqual(["opened", "loaded"]);
    sink.run.stop();
  });

  test("W5 of a bucket that was purged is empty, and the revision is where it has come to", async () => {
    const kv = await admin.create("purged");
    await admin.putAll("purged", numbered(10));
    await admin.manager.streams.purge("KV_purged");
    const sink = follow(link, "purged");
    expect(await sink.loading.promise).toBe(10);
    await kv.put("a", "1");
    await vi.waitFor(() => expect(sink.map.get("a")).toBe("1"), 5_000);
    expect(sink.entries[0]!.revision).toBe(11);
    sink.run.stop();
  });

  test("W5 has delete markers, and only those where only those are", async () => {
    const kv = await admin.create("tombstones");
    await kv.put("a", "1");
    await kv.put("b", "2");
    await kv.delete("a");
    await kv.purge("b");
    const sink = follow(link, "tombstones");
    expect(await sink.loading.promise).toBe(4);
    expect(sink.calls.slice(0, 4)).toEqual(["opened", "delete a", "delete b", "loaded"]);
    expect((await sink.opening.promise).keys).toBe(2);
    sink.run.stop();
  });

  test("W5 of one key, and what follows, in order", async () => {
    const kv = await admin.create("one");
    const begin = Date.now();
    await kv.put("a", '{"x":1}');
    const sink = follow(link, "one");
    await sink.loading.promise;
    await kv.put("b", "");
    await kv.delete("a");
    await kv.purge("b");
    await vi.waitFor(() => expect(sink.entries).toHaveLength(4), 5_000);
    expect(sink.calls.filter((call) => call !== "current")).toEqual([
      "opened",
      "put a",
      "loaded",
      "put b",
      "delete a",
      "delete b",
    ]);
    expect(sink.entries.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
    expect(sink.entries[0]!.text).toBe('{"x":1}');
    expect(sink.entries[1]!.text).toBe("");
    for (const { createdMs } of sink.entries) {
      expect(createdMs).toBeGreaterThan(begin - 1_000);
      expect(createdMs).toBeLessThan(Date.now() + 1_000);
    }
    await vi.waitFor(() => expect(sink.calls.at(-1)).toBe("current"), 5_000);
    sink.run.stop();
  });

  test.each([1, 5])(
    "W5 of 20,000 keys with history %i ends with their last values",
    async (history) => {
      const bucket = `large-${history}`;
      await admin.create(bucket, { history });
      const older = history > 1 ? numbered(3_000).map(([key]): [string, string] => [key, "0"]) : [];
      await admin.putAll(bucket, older);
      await admin.putAll(bucket, numbered(20_000));
      const sink = follow(link, bucket);
      expect(await sink.loading.promise).toBe(20_000 + older.length);
      expect(sink.snapshot).toEqual(new Map(numbered(20_000)));
      expect((await sink.opening.promise).keys).toBe(20_000);
      // Only servers that list last values well are asked for them alone.
      const listed = serverVersionAtLeast(server, "2.10.0");
      expect(sink.count).toBe(listed ? 20_000 : 20_000 + older.length);
      sink.run.stop();
    },
  );

  test("S6 hands over keys that KV's own clients refuse, and those with names of JavaScript", async () => {
    await admin.create("odd");
    const keys = ["a:b@c", "é.ü", "__proto__.a", "constructor", "toString", "0.1", "a|b", "x.$y"];
    for (const key of keys) await admin.connection.jetstream().publish(`$KV.odd.${key}`, key);
    const sink = follow(link, "odd");
    await sink.loading.promise;
    expect([...sink.map]).toEqual(keys.map((key) => [key, key]));
    sink.run.stop();
  });

  test("W5 ends where the tail of the stream was deleted message by message", async () => {
    await admin.create("tail");
    await admin.putAll("tail", numbered(100));
    for (let sequence = 61; sequence <= 100; sequence++) {
      await admin.manager.streams.deleteMessage("KV_tail", sequence);
    }
    const sink = follow(link, "tail");
    expect(await sink.loading.promise).toBe(100);
    expect(sink.snapshot!.size).toBe(60);
    sink.run.stop();
  });

  test.each([1, 3])("W5 ends where the tail was purged, history %i", async (history) => {
    const bucket = `purged-tail-${history}`;
    await admin.create(bucket, { history });
    await admin.putAll(bucket, [...numbered(50), ...numbered(50, "tail.")]);
    await admin.manager.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.tail.>` });
    const sink = follow(link, bucket);
    expect(await sink.loading.promise).toBe(100);
    expect(sink.snapshot).toEqual(new Map(numbered(50)));
    sink.run.stop();
  });

  test("W5 of a mirror has the keys of its origin", async () => {
    const kv = await admin.create("origin");
    await admin.putAll("origin", numbered(500));
    await admin.manager.streams.add({
      name: "KV_copy",
      mirror: { name: "KV_origin" },
      max_msgs_per_subject: 1,
      mirror_direct: true,
    });
    await vi.waitFor(async () => {
      expect((await admin.manager.streams.info("KV_copy")).state.messages).toBe(500);
    }, 10_000);
    const sink = follow(link, "copy");
    await sink.loading.promise;
    expect(sink.snapshot).toEqual(new Map(numbered(500)));
    await kv.put("late", "1");
    await vi.waitFor(() => expect(sink.map.get("late")).toBe("1"), 5_000);
    sink.run.stop();
  });

  test("W5 of values of 1 MB", async () => {
    await admin.create("heavy");
    const value = "x".repeat(1_000_000);
    for (let index = 0; index < 40; index++) await admin.putAll("heavy", [[`k${index}`, value]]);
    const sink = follow(link, "heavy", new RecordingSink(false));
    await sink.loading.promise;
    expect(sink.snapshot!.size).toBe(40);
    for (const text of sink.snapshot!.values()) expect(text === value).toBe(true);
    sink.run.stop();
  });
});
