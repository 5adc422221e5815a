import { cp, rm } from "node:fs/promises";
import { StorageType } from "nats";
import { describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { author, numbered } from "../nats/bucket-kit.ts";
import { announcements, expectCurrent, statusOf } from "./currency-kit.ts";
import { watchServer } from "./support.ts";

const QUICK = { refreshIntervalMs: 250, missingBucketTtlMs: 0 };

describe("after a gap the copy is the bucket again", () => {
  it("C1 server restarted with writes meanwhile unheard, and only real differences announced", async () => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b");
    await admin.putAll("b", numbered(100));
    await using watching = await watchServer(server.url, QUICK);
    await watching.manager.getOrCreateWatcher("b");
    const heard = announcements(watching.store);
    await server.kill();
    await server.start();
    await using again = await author(server.url);
    await again.putAll("b", [["key.7", "7"]]);
    await expectCurrent(watching, again, "b");
    await vi.waitFor(() => expect(statusOf(watching, "b").reloads).toBeGreaterThan(0), {
      timeout: 10_000,
    });
    expect(heard).toEqual(["put key.7"]);
    expect(statusOf(watching, "b").repairs).toMatchObject({ reconnect: 1 });
  });

  it("C1 deletes whose markers were purged while it was away are heard of", async () => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    const kv = await admin.create("b");
    await admin.putAll("b", numbered(30));
    await using proxy = await startTcpProxy(server.port);
    await using watching = await watchServer(`nats://127.0.0.1:${proxy.port}`, QUICK);
    await watching.manager.getOrCreateWatcher("b");
    const heard = announcements(watching.store);
    proxy.cut();
    await kv.delete("key.3");
    await kv.delete("key.4");
    for (const key of ["key.3", "key.4"]) {
      await admin.manager.streams.purge("KV_b", { filter: `$KV.b.${key}` });
    }
    proxy.restore();
    expect(Object.keys(await expectCurrent(watching, admin, "b"))).toHaveLength(28);
    expect(heard.toSorted()).toEqual(["delete key.3", "delete key.4"]);
  });

  it("C1 a consumer that was deleted on the server is replaced", async () => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b");
    await admin.putAll("b", numbered(30));
    await using watching = await watchServer(server.url, QUICK);
    await watching.manager.getOrCreateWatcher("b");
    const [consumer] = await admin.manager.consumers.list("KV_b").next();
    await admin.manager.consumers.delete("KV_b", consumer!.name);
    await admin.putAll("b", numbered(5, "more."));
    expect(Object.keys(await expectCurrent(watching, admin, "b"))).toHaveLength(35);
    expect(statusOf(watching, "b").reloads).toBe(1);
  });

  it.each([
    ["fewer", 5],
    ["the same", 30],
    ["more", 60],
  ])("C2 a bucket deleted and made again with %s messages", async (_, count) => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b");
    await admin.putAll("b", numbered(30));
    await using watching = await watchServer(server.url, QUICK);
    await watching.manager.getOrCreateWatcher("b");
    await admin.manager.streams.delete("KV_b");
    await admin.create("b");
    await admin.putAll("b", numbered(count, "second."));
    // Gone for a moment, it may have been dropped: whoever needs it asks again.
    await vi.waitFor(() => watching.manager.getOrCreateWatcher("b"), { timeout: 8_000 });
    expect(Object.keys(await expectCurrent(watching, admin, "b"))).toHaveLength(count);
  });

  it("C2 memory storage that a restart has lost is gone for policies, and back once it is asked for again", async () => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b", { storage: StorageType.Memory });
    await admin.putAll("b", numbered(30));
    await using watching = await watchServer(server.url, QUICK);
    const { manager, store } = watching;
    await manager.getOrCreateWatcher("b");
    await server.kill();
    await server.start();
    await vi.waitFor(() => expect(store.hasBucket("b")).toBe(false), { timeout: 10_000 });
    await expect(manager.getOrCreateWatcher("b")).rejects.toMatchObject({
      code: "BUCKET_NOT_FOUND",
    });
    await using again = await author(server.url);
    await again.create("b", { storage: StorageType.Memory });
    await again.putAll("b", numbered(3, "second."));
    await manager.getOrCreateWatcher("b");
    expect(Object.keys(await expectCurrent(watching, again, "b"))).toHaveLength(3);
  });

  it("C2 a bucket restored to an older state", async () => {
    await using server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b");
    await admin.putAll("b", numbered(10));
    await using watching = await watchServer(server.url, QUICK);
    await watching.manager.getOrCreateWatcher("b");
    await server.halt();
    await cp(`${server.dir}/data`, `${server.dir}/backup`, { recursive: true });
    await server.start();
    await using later = await author(server.url);
    await later.putAll("b", numbered(20, "later."));
    expect(Object.keys(await expectCurrent(watching, later, "b"))).toHaveLength(30);
    await server.halt();
    await rm(`${server.dir}/data`, { recursive: true });
    await cp(`${server.dir}/backup`, `${server.dir}/data`, { recursive: true });
    await server.start();
    await using last = await author(server.url);
    expect(Object.keys(await expectCurrent(watching, last, "b"))).toHaveLength(10);
    expect(statusOf(watching, "b").revision).toBe(10);
  });
});
