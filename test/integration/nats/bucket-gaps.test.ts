import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { type Author, author, follow, numbered, type RecordingSink } from "./bucket-kit.ts";
import { connectedLink, type TestLink } from "./link-kit.ts";

/** How long a consumer that is gone may go unnoticed: 3 s of silence after the last heartbeat, and a tick. */
const NOTICED_MS = 4_000;

let server: NatsServer;
let admin: Author;
let link: TestLink;
beforeAll(async () => {
  server = await startNatsServer();
  admin = await author(server.url);
  link = await connectedLink(server.url, { connectTimeoutMs: 1_000 });
});
afterAll(async () => {
  await link.close();
  await admin[Symbol.asyncDispose]();
  await server.stop();
});

/** A loaded stream of a new bucket with 100 keys. */
async function loaded(bucket: string, over: TestLink = link) {
  // The test before may have taken the server away.
  await vi.waitFor(() => admin.connection.rtt(), 5_000);
  await admin.create(bucket);
  await admin.putAll(bucket, numbered(100));
  const sink = follow(over, bucket);
  await sink.loading.promise;
  return sink;
}

/** Milliseconds until the stream ended, and why. */
async function ending(sink: RecordingSink): Promise<{ ms: number; message: string }> {
  const begin = performance.now();
  const { code, message } = await sink.ending.promise;
  expect(code).toBe("BUCKET_STREAM_ENDED");
  return { ms: performance.now() - begin, message };
}

describe("a bucket that is deleted while it's followed", () => {
  test("C2 ends its stream within seconds", async () => {
    const sink = await loaded("deleted");
    await admin.manager.streams.delete("KV_deleted");
    expect((await ending(sink)).ms).toBeLessThan(NOTICED_MS);
    expect(await follow(link, "deleted").ending.promise).toMatchObject({
      code: "BUCKET_NOT_FOUND",
    });
  });

  test("C2 and made again at once, with more keys, ends its stream within seconds", async () => {
    const sink = await loaded("again");
    await admin.manager.streams.delete("KV_again");
    await admin.create("again");
    await admin.putAll("again", numbered(200, "fresh."));
    expect((await ending(sink)).ms).toBeLessThan(NOTICED_MS);
    expect(sink.count).toBe(100);
    const next = follow(link, "again");
    await next.loading.promise;
    expect(next.snapshot).toEqual(new Map(numbered(200, "fresh.")));
    const [before, after] = [await sink.opening.promise, await next.opening.promise];
    expect(after.incarnation).not.toBe(before.incarnation);
    next.run.stop();
  });
});

describe("a server that fails", () => {
  test.each([
    ["killed and started again", () => server.kill().then(() => server.start())],
    ["restarted", () => server.restart()],
  ])("C1 (%s) ends every stream as soon as the connection is back", async (name, fail) => {
    const sinks = [await loaded(`${name} 1`.replaceAll(" ", "-"))];
    sinks.push(await loaded(`${name} 2`.replaceAll(" ", "-")));
    const reconnected = vi.fn<() => void>();
    const unlisten = link.onReconnect(reconnected);
    await fail();
    for (const sink of sinks) {
      expect((await ending(sink)).message).toContain("the connection was lost and is back");
    }
    expect(reconnected).toHaveBeenCalledTimes(1);
    unlisten();
    // Another stream can be opened from within `ended`, and has everything.
    const next = follow(link, `${name} 1`.replaceAll(" ", "-"));
    await next.loading.promise;
    expect(next.snapshot).toEqual(new Map(numbered(100)));
    next.run.stop();
  });

  test("C1 (frozen) is noticed by its silence, and does no harm to the next stream", async () => {
    const sink = await loaded("frozen");
    server.pause();
    const { ms, message } = await ending(sink);
    expect(ms).toBeLessThan(NOTICED_MS);
    expect(message).toContain("the server has been silent for 3 s");
    const during = follow(link, "frozen");
    expect(await during.ending.promise).toMatchObject({ code: "NATS_TIMEOUT" });
    server.resume();
    const next = follow(link, "frozen");
    await next.loading.promise;
    expect(next.snapshot!.size).toBe(100);
    next.run.stop();
  });
});

describe("a network that fails", () => {
  test("C1 (cut and back) ends the stream at once when it's back", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    const sink = await loaded("cut", far);
    proxy.cut();
    await vi.waitFor(() => expect(far.state).toBe("disconnected"), 5_000);
    await admin.putAll("cut", [["meanwhile", "1"]]);
    // Without a connection the stream waits: there is nobody to open another from.
    expect(sink.calls).not.toContain("ended");
    proxy.restore();
    expect((await ending(sink)).message).toContain("the connection was lost and is back");
    expect(sink.map.has("meanwhile")).toBe(false);
    const next = follow(far, "cut");
    await next.loading.promise;
    expect(next.snapshot!.get("meanwhile")).toBe("1");
  });

  test("C1 (cut and back) begins a stream that was opened meanwhile, instead of ending it", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    (await loaded("opened-meanwhile", far)).run.stop();
    proxy.cut();
    await vi.waitFor(() => expect(far.state).toBe("disconnected"), 5_000);
    const sink = follow(far, "opened-meanwhile");
    proxy.restore();
    await sink.loading.promise;
    expect(sink.snapshot).toEqual(new Map(numbered(100)));
    sink.run.stop();
  });

  test("C1 (silent) is noticed within seconds, long before the client notices", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    const sink = await loaded("silent", far);
    proxy.blackhole();
    expect((await ending(sink)).ms).toBeLessThan(NOTICED_MS);
    expect(far.state).toBe("connected");
  });

  test("C5 (slow) makes a snapshot as old as the answer that ends it", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    proxy.delay(400);
    const sink = await loaded("late", far);
    expect(sink.loadedAgeMs).toBeGreaterThanOrEqual(790);
    // Not as old as the answer that began it.
    expect(sink.loadedAgeMs).toBeLessThan(sink.loadedAfterMs!);
    sink.run.stop();
    const near = await loaded("near", link);
    expect(near.loadedAgeMs).toBeLessThan(sink.loadedAgeMs!);
    near.run.stop();
  });

  test("C1 (slow) is no gap", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    proxy.delay(300);
    const sink = await loaded("slow", far);
    expect(sink.snapshot!.size).toBe(100);
    await admin.putAll("slow", numbered(100, "late."));
    await vi.waitFor(() => expect(sink.map.size).toBe(200), 10_000);
    expect(sink.calls).not.toContain("ended");
    sink.run.stop();
  });

  test("C1 (lost in the middle of a load) ends the stream without `loaded`", async () => {
    await admin.create("middle");
    await admin.putAll(
      "middle",
      numbered(2_000).map(([key]) => [key, "v".repeat(5_000)]),
    );
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    const sink = follow(far, "middle");
    await vi.waitUntil(() => sink.count > 0, { timeout: 5_000, interval: 1 });
    proxy.reset();
    expect((await ending(sink)).message).toContain("the connection was lost and is back");
    expect(sink.calls).not.toContain("loaded");
  });

  test("W4 a stream that was stopped says nothing, whatever happens afterwards", async () => {
    await using proxy = await startTcpProxy(server.port);
    await using far = await connectedLink(proxy.url);
    const sink = await loaded("deaf", far);
    sink.run.stop();
    const { length } = sink.calls;
    await admin.putAll("deaf", [["more", "1"]]);
    proxy.reset();
    await vi.waitFor(() => expect(far.status().reconnects).toBe(1), 5_000);
    await admin.manager.streams.delete("KV_deaf");
    await (await far.connection()).flush();
    expect(sink.calls).toHaveLength(length);
  });
});

test("W5 J8 an idle bucket is followed for longer than any silence, and says that it's current", async () => {
  const sink = await loaded("idle");
  sink.calls.length = 0;
  for (let heard = 0; heard < 5; heard++) {
    await vi.waitFor(() => expect(sink.calls).toEqual(["current"]), 3_000);
    sink.calls.length = 0;
  }
  sink.run.stop();
});
