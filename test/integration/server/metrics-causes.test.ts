import { connect } from "nats";
import { describe, expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { startServer } from "../../../src/server/server.ts";
import { startLogCollector } from "../../support/log-collector.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { startLogged } from "../decisions/kit.ts";
import { metric, scrape } from "./scrape.ts";
import { BASIC, startService } from "./service.ts";

const DEADLINE = { timeout: 15_000, interval: 20 };

describe("metrics move with what they are about:", () => {
  it("the feed's lag, its log, and why subscriptions ended", async () => {
    await using nats = await startNatsServer();
    const client = await connect({ servers: nats.url });
    const kv = await client.jetstream().views.kv("root");
    await using bridge = await createBridge({
      nats: { server_url: nats.url, root_bucket: "root" },
      bundle: { file: BASIC },
      feed: { max_commits: 5 },
    });
    const { url, close } = await startServer(bridge, {
      ...bridge.config.server,
      host: "127.0.0.1",
      port: 0,
    });
    const put = async (key: string): Promise<void> => {
      const { version } = bridge.store;
      await kv.put(key, '"value"');
      await vi.waitFor(() => expect(bridge.store.version).toBe(version + 1), DEADLINE);
    };
    using stalled = bridge.feed.subscribe();
    await stalled.next();
    const reading = bridge.feed.subscribe();
    await reading.next();
    expect(await metric(url, "feed_subscribers")).toBe(2);
    expect(await metric(url, "feed_max_lag_commits")).toBe(0);
    expect(await metric(url, "feed_log_bytes")).toBe(0);
    for (let count = 1; count <= 3; count++) {
      await put(`k${count}`);
      await reading.next();
      expect(await metric(url, "feed_max_lag_commits")).toBe(count);
    }
    expect(await metric(url, "feed_log_bytes")).toBe(bridge.feed.status().bytes);
    await stalled.next();
    expect(await metric(url, "feed_max_lag_commits")).toBe(0);
    // One more than is kept, so what comes next for it is gone.
    for (let count = 0; count < 6; count++) await put(`more${count}`);
    await stalled.next();
    expect(await metric(url, 'feed_ended_total{reason="overtaken"}')).toBe(1);
    expect(await metric(url, 'feed_ended_total{reason="slow"}')).toBe(0);
    expect(await metric(url, "feed_subscribers")).toBe(1);
    reading.close();
    expect(await metric(url, "feed_subscribers")).toBe(0);
    await close();
    await client.close();
  });

  it("the decisions that wait for a bucket", async () => {
    await using nats = await startNatsServer();
    await using proxy = await startTcpProxy(nats.port);
    const client = await connect({ servers: nats.url });
    await (await client.jetstream().views.kv("team")).put("a", "1");
    await using service = await startService(BASIC, { server_url: proxy.url });
    expect(await metric(service.url, "suspended_decisions")).toBe(0);
    proxy.fromServer.shut();
    const input = { bucket: "team", key: "a" };
    const waiting = [0, 1, 2].map(() => service.decide("basic/value", input));
    await vi.waitFor(async () => {
      expect(await metric(service.url, "suspended_decisions")).toBe(3);
    }, DEADLINE);
    proxy.fromServer.open();
    for (const { body } of await Promise.all(waiting)) expect(body).toEqual({ result: 1 });
    expect(await metric(service.url, "suspended_decisions")).toBe(0);
    await client.close();
  }, 40_000);

  it("J3 repairs, by what had happened", async () => {
    await using nats = await startNatsServer();
    const before = await connect({ servers: nats.url });
    await (await before.jetstream().views.kv("team")).put("a", "1");
    await before.close();
    await using service = await startService(BASIC, {
      server_url: nats.url,
      reconnect_wait: "50ms",
      refresh_interval: "1s",
    });
    await service.bridge.manager.getOrCreateWatcher("team");
    const causes = async (): Promise<Record<string, number>> => {
      const found = [...(await scrape(service.url))].flatMap(([series, repairs]) => {
        const [, cause] = /repairs_total\{cause="(\w+)"\}/.exec(series) ?? [];
        return cause === undefined ? [] : [[cause, repairs] as const];
      });
      return Object.fromEntries(found);
    };
    expect(await causes()).toEqual({});
    await nats.restart();
    await vi.waitFor(async () => expect(await causes()).toEqual({ reconnect: 1 }), DEADLINE);
    const client = await connect({ servers: nats.url });
    const manager = await client.jetstreamManager();
    const { seq } = await manager.streams.getMessage("KV_team", { last_by_subj: "$KV.team.a" });
    await manager.streams.deleteMessage("KV_team", seq);
    await vi.waitFor(async () => {
      expect(await causes()).toEqual({ reconnect: 1, vanished: 1 });
    }, DEADLINE);
    expect(service.bridge.store.text(["nats", "kv", "team"])).toBe("{}");
    await client.close();
  }, 60_000);

  it("the age of a bucket's copy, which grows in an outage and is over after it", async () => {
    await using nats = await startNatsServer();
    const client = await connect({ servers: nats.url, maxReconnectAttempts: -1 });
    await (await client.jetstream().views.kv("root")).put("key", "1");
    await using bridge = await createBridge({
      nats: { server_url: nats.url, root_bucket: "root", reconnect_wait: "50ms" },
      bundle: { file: BASIC },
    });
    const { url, close } = await startServer(bridge, {
      ...bridge.config.server,
      host: "127.0.0.1",
      port: 0,
    });
    const age = async (): Promise<number> =>
      (await metric(url, 'bucket_staleness_seconds{bucket="root"}'))!;
    expect(await metric(url, "nats_connected")).toBe(1);
    expect(await age()).toBeLessThan(2);
    const wentAt = performance.now();
    await nats.kill();
    await vi.waitFor(async () => expect(await age()).toBeGreaterThan(3), DEADLINE);
    // It was known to be current until shortly before.
    expect(await age()).toBeLessThan((performance.now() - wentAt) / 1_000 + 2);
    expect(await metric(url, "nats_connected")).toBe(0);
    await nats.start();
    await vi.waitFor(async () => expect(await age()).toBeLessThan(2), DEADLINE);
    expect(await metric(url, "nats_connected")).toBe(1);
    expect(await metric(url, "nats_reconnects_total")).toBe(1);
    await close();
    await client.close();
  }, 40_000);

  it("what the decision log keeps in an outage of its service, and what it must drop", async () => {
    await using nats = await startNatsServer();
    await using collector = await startLogCollector();
    collector.answer(503);
    await using service = await startLogged(nats, {
      services: { logs: { url: collector.url } },
      decision_logs: {
        reporting: {
          min_delay_seconds: 1,
          max_delay_seconds: 1,
          buffer_type: "event",
          buffer_size_limit_events: 20,
        },
      },
    });
    const { url } = service;
    const dropped =
      'decision_log_dropped_total{reason="decision_logs_dropped_buffer_size_limit_exceeded"}';
    for (let count = 0; count < 5; count++) await service.decide("app/echo", String(count));
    await vi.waitFor(async () => {
      expect(await metric(url, "decision_log_waiting_events")).toBe(5);
    }, DEADLINE);
    const bytes = (await metric(url, "decision_log_waiting_bytes"))!;
    expect([bytes > 500, bytes < 5_000]).toEqual([true, true]);
    expect(await metric(url, dropped)).toBe(0);
    for (let count = 5; count < 23; count++) await service.decide("app/echo", String(count));
    await vi.waitFor(async () => {
      expect(await metric(url, "decision_log_waiting_events")).toBe(20);
      expect(await metric(url, dropped)).toBe(3);
    }, DEADLINE);
    collector.answer(200);
    await vi.waitFor(async () => {
      expect(await metric(url, "decision_log_waiting_events")).toBe(0);
    }, DEADLINE);
    expect(await metric(url, "decision_log_waiting_bytes")).toBe(0);
    // What is on its way waits no longer, and need not be there yet.
    await vi.waitFor(() => expect(collector.events()).toHaveLength(20), DEADLINE);
    expect(collector.events().map(({ input }) => input)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 3),
    );
  }, 40_000);
});
