import { connect, headers, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { BASIC, startService } from "./service.ts";

const LIFE_MS = 4_000;
/** How late a busy machine may be. */
const LATE_MS = 1_000;

describe("C3 a grant that expires", () => {
  let server: NatsServer;
  let client: NatsConnection;

  beforeAll(async () => {
    server = await startNatsServer();
    client = await connect({ servers: server.url });
  });

  afterAll(async () => {
    await client?.close();
    await server?.stop();
  });

  /** Stores a grant that ends by itself; the answer is when it was stored, on the server's clock, which is ours. */
  const give = {
    /** In a bucket whose entries all live this long. */
    async bucket(bucket: string): Promise<number> {
      const kv = await client.jetstream().views.kv(bucket, { ttl: LIFE_MS });
      await kv.put("alice", "true");
      return (await kv.get("alice"))!.created.getTime();
    },
    /** With a time to live of its own; the one beside it stays. */
    async key(bucket: string): Promise<number> {
      const kv = await client.jetstream().views.kv(bucket);
      const manager = await client.jetstreamManager();
      const { config } = await manager.streams.info(`KV_${bucket}`);
      const more = { ...config, allow_msg_ttl: true };
      await manager.streams.update(`KV_${bucket}`, more);
      await kv.put("bob", "true");
      const life = headers();
      life.set("Nats-TTL", `${LIFE_MS / 1_000}s`);
      await client.jetstream().publish(`$KV.${bucket}.alice`, "true", { headers: life });
      return (await kv.get("alice"))!.created.getTime();
    },
  };

  it.for([
    ["bucket", "connected"],
    ["bucket", "disconnected"],
    ["key", "connected"],
    ["key", "disconnected"],
  ] as const)(
    "C3 by its %s's time to live is over for every way of asking, on time, while %s",
    async ([by, link], test) => {
      const old = by === "key" && !serverVersionAtLeast(server, "2.11.0");
      test.skip(old, "keys have no time to live before 2.11");
      const bucket = `${by}-${link}`;
      await using proxy = await startTcpProxy(server.port);
      const givenAt = await give[by](bucket);
      // Without audits nothing but the bridge's own clock can end it.
      await using service = await startService(BASIC, {
        server_url: proxy.url,
        refresh_interval: "1h",
        reconnect_wait: "100ms",
      });
      const byBuiltin = async (user: string) =>
        (await service.decide("basic/value", { bucket, key: user })).text;
      const byData = async (user: string) => {
        const { body } = await service.decide("basic/bucket", { bucket });
        return (body as { result?: Record<string, unknown> }).result?.[user];
      };
      expect(await byBuiltin("alice")).toBe('{"result":true}');
      expect(await byData("alice")).toBe(true);
      if (link === "disconnected") proxy.cut();
      await vi.waitFor(async () => expect(await byBuiltin("alice")).toBe('{"result":null}'), {
        timeout: LIFE_MS + 3 * LATE_MS,
        interval: 5,
      });
      const tookMs = Date.now() - givenAt;
      expect(await byData("alice")).toBeUndefined();
      expect(tookMs).toBeGreaterThanOrEqual(LIFE_MS);
      expect(tookMs).toBeLessThan(LIFE_MS + LATE_MS);
      expect(service.bridge.health().nats).toBe(link);
      // It stays over when the link is back; what does not expire has been there all the time.
      proxy.restore();
      await vi.waitFor(() => expect(service.bridge.health().nats).toBe("connected"), 8_000);
      expect(await byBuiltin("alice")).toBe('{"result":null}');
      expect(await byBuiltin("bob")).toBe(by === "key" ? '{"result":true}' : '{"result":null}');
    },
  );
});
