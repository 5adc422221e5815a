import { readFileSync } from "node:fs";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { readEvents } from "./feed-kit.ts";
import { scrape } from "./scrape.ts";
import { BASIC, type Service, startService } from "./service.ts";

let nats: NatsServer;
let client: NatsConnection;
let service: Service;

const DOCS = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
const DEADLINE = { timeout: 15_000, interval: 20 };

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  for (const bucket of ["root", "team", "other"]) {
    await (await client.jetstream().views.kv(bucket)).put("key", '"value"');
  }
  service = await startService(BASIC, {
    server_url: nats.url,
    root_bucket: "root",
    max_bucket_watchers: 1,
    reconnect_wait: "50ms",
  });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await client.close();
  await nats.stop();
});

async function value(series: string): Promise<number | undefined> {
  return (await scrape(service.url)).get(series);
}

it("every documented metric is there, and moves with real traffic", async () => {
  const documented = [...DOCS.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name]) => name!);
  expect(documented.length).toBeGreaterThan(18);
  const { headers } = await fetch(`${service.url}/metrics`);
  expect(headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const before = await scrape(service.url);
  using subscriber = await readEvents(`${service.url}/v1/feed?snapshot=true`);
  for (const bucket of ["team", "other", "team"]) {
    await service.decide("basic/value", { bucket, key: "key" });
  }
  await service.decide("basic/bucket", { bucket: "no-such-bucket" });
  await service.get("/v1/data/no/such/path/from/a/stranger");
  await vi.waitFor(() => expect(subscriber.client.types).toContain("complete"), DEADLINE);
  await nats.restart();
  await vi.waitFor(
    async () => expect(await value("nats_opa_bridge_nats_reconnects_total")).toBe(1),
    DEADLINE,
  );
  await vi.waitFor(async () => {
    const all = [...(await scrape(service.url))].filter(([series]) =>
      series.includes("repairs_total{"),
    );
    expect(all.reduce((sum, [, repairs]) => sum + repairs, 0)).toBeGreaterThan(0);
  }, DEADLINE);
  const after = await scrape(service.url);
  const names = (all: Map<string, number>, name: string): string[] => {
    return [...all.keys()].filter(
      (series) => series.replace(/(_(count|sum|bucket))?(\{.*)?$/, "") === name,
    );
  };
  for (const name of documented)
    expect([name, names(after, name).length > 0]).toEqual([name, true]);
  const moved = (series: string): number => (after.get(series) ?? 0) - (before.get(series) ?? 0);
  const count = "nats_opa_bridge_decision_duration_seconds_count";
  expect(moved(`${count}{path="basic/value",outcome="defined"}`)).toBe(3);
  expect(moved(`${count}{path="(other)",outcome="undefined"}`)).toBe(1);
  expect(
    moved('http_request_duration_seconds_count{code="200",handler="v1/data",method="POST"}'),
  ).toBe(4);
  expect(moved("nats_opa_bridge_bucket_loads_total")).toBe(3);
  expect(moved('nats_opa_bridge_evictions_total{reason="lru"}')).toBe(2);
  expect(moved("nats_opa_bridge_thrash_total")).toBe(1);
  expect(moved("nats_opa_bridge_feed_subscribers")).toBe(1);
  expect(moved("nats_opa_bridge_commits_total")).toBeGreaterThan(3);
  expect(after.get("nats_opa_bridge_watched_bytes")).toBeGreaterThan(0);
  expect(after.get("nats_opa_bridge_resident_bytes")).toBeGreaterThan(0);
  expect(after.get("process_cpu_user_seconds_total")).toBeGreaterThan(0);
  expect([...after.keys()].some((series) => series.includes("stranger"))).toBe(false);
});
