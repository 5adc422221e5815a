import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { type Author, author, numbered } from "../nats/bucket-kit.ts";
import { copy, expectCurrent, expectProved, statusOf, truth } from "./currency-kit.ts";
import { type Watching, watchServer } from "./support.ts";

const KEYS = 1_000;
/** Together far more than a server sends before it waits for an answer. */
const VALUE = JSON.stringify("x".repeat(8_000));
/** From here on no server loses them. */
const NOT_BEFORE = "2.10.0";
/** Longer than it takes to write all keys. */
const DELAY_MS = 2_000;

/**
 * Old servers (nats-server #3838): when one key is purged, a consumer that has not come so far goes on
 * behind the purged message. What it should have delivered before is lost, other keys' values, and nothing tells:
 * deliveries are numbered on without a gap.
 */
describe("a key that is purged while a consumer is behind", () => {
  let server: NatsServer;
  let admin: Author;
  let proxy: TcpProxy;

  beforeAll(async () => {
    server = await startNatsServer();
    admin = await author(server.url);
    proxy = await startTcpProxy(server.port);
  });

  afterAll(async () => {
    await admin?.[Symbol.asyncDispose]();
    await proxy?.close();
    await server?.stop();
  });

  /** Writes many keys while the bridge hears slowly, and purges the last one before it has heard of half of them. */
  async function purgeWhileBehind(watching: Watching, bucket: string): Promise<void> {
    await admin.create(bucket);
    await admin.putAll(bucket, numbered(10));
    await watching.manager.getOrCreateWatcher(bucket);
    await vi.waitFor(() => expect(statusOf(watching, bucket).revision).toBe(10));
    proxy.delay(DELAY_MS);
    await admin.putAll(
      bucket,
      numbered(KEYS, "more.").map(([key]) => [key, VALUE]),
    );
    const stream = `KV_${bucket}`;
    const [consumer] = await admin.manager.consumers.list(stream).next();
    expect(consumer!.num_pending).toBeGreaterThan(KEYS / 2);
    await admin.manager.streams.purge(stream, { filter: `$KV.${bucket}.more.${KEYS - 1}` });
    proxy.delay(0);
  }

  it("C4 makes old servers lose other keys' messages, of which no stream can tell", async (test) => {
    test.skip(serverVersionAtLeast(server, NOT_BEFORE), "this server does not lose them (#3838)");
    await using watching = await watchServer(proxy.url, { refreshIntervalMs: 0 });
    const bucket = "lost";
    await purgeWhileBehind(watching, bucket);
    // The stream goes on, as far as it knows without a gap.
    await admin.putAll(bucket, [["after", "1"]]);
    await vi.waitFor(() => expect(copy(watching.store, bucket)).toHaveProperty("after"), 10_000);
    const held = Object.keys(await truth(admin, bucket)).length;
    expect(held).toBe(10 + KEYS);
    expect(Object.keys(copy(watching.store, bucket)!).length).toBeLessThan(held - KEYS / 4);
    expect(statusOf(watching, bucket)).toMatchObject({ state: "live", reloads: 0 });
  });

  it("C4 is repaired by the audit, on every server", async () => {
    await using watching = await watchServer(proxy.url, { refreshIntervalMs: 200 });
    const bucket = "repaired";
    await purgeWhileBehind(watching, bucket);
    expect(Object.keys(await expectCurrent(watching, admin, bucket, 20_000))).toHaveLength(
      10 + KEYS - 1,
    );
    await expectProved(watching, bucket);
    // Where nothing is lost there is nothing to repair.
    const least = serverVersionAtLeast(server, NOT_BEFORE) ? 0 : KEYS / 4;
    expect(statusOf(watching, bucket).repaired).toBeGreaterThanOrEqual(least);
  });
});
