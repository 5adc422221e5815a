import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { metric, scrape } from "../server/scrape.ts";
import { failureOf, startWriting, type WritingService } from "./write-kit.ts";

const AGAIN = { reconnect_wait: "20ms", reconnect_max_wait: "50ms" };

async function lost({ bridge }: WritingService): Promise<void> {
  await vi.waitFor(() => expect(bridge.status().nats.state).toBe("disconnected"), 5_000);
}

it("O21 what was accepted in an outage is written in order once NATS is back, and overwrites nothing newer", async () => {
  await using nats = await startNatsServer();
  await using proxy = await startTcpProxy(nats.port);
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("team", { history: 10 });
  for (const key of ["mine", "theirs", "gone"]) await kv.put(key, "[]");
  await using service = await startWriting(
    { server_url: proxy.url, ...AGAIN },
    { enabled: true, buffer: true },
  );
  await service.bridge.manager.getOrCreateWatcher("team");

  proxy.cut();
  await lost(service);
  const ask = async (method: string, key: string, body?: string): Promise<number> =>
    (await service.ask(method, `nats/kv/team/${key}`, body)).status;
  expect(await ask("PUT", "mine", "[1]")).toBe(202);
  expect(await ask("PATCH", "mine", '[{"op":"add","path":"/-","value":2}]')).toBe(202);
  expect(await ask("PUT", "theirs", '"ours"')).toBe(202);
  expect(await ask("DELETE", "gone")).toBe(202);
  expect(await ask("DELETE", "gone")).toBe(404);
  expect(service.bridge.store.text(["nats", "kv", "team", "mine"])).toBe("[]");
  expect(await metric(service.url, "writes_waiting")).toBe(4);
  expect(await metric(service.url, "writes_waiting_bytes")).toBeGreaterThan(4 * 5);
  const unknown = await service.ask("PUT", "nats/kv/unwatched/a", "1");
  expect(failureOf(unknown)).toEqual([503, "internal_error", "NATS_UNREACHABLE"]);
  await kv.put("theirs", '"newer"');

  proxy.restore();
  await vi.waitFor(() => {
    const { writes } = service.bridge.status();
    expect(writes).toMatchObject({ waiting: 0, replayed: 3, conflicts: 1, dropped: 0 });
  }, 10_000);
  const shown = await scrape(service.url);
  for (const [outcome, writes] of [
    ["stored", 0],
    ["replayed", 3],
    ["conflict", 1],
    ["refused", 0],
    ["dropped", 0],
  ] as const) {
    const name = `nats_opa_bridge_writes_total{outcome="${outcome}"}`;
    expect([outcome, shown.get(name)]).toEqual([outcome, writes]);
  }
  expect((await kv.get("theirs"))!.string()).toBe('"newer"');
  const history: string[] = [];
  for await (const entry of await kv.history({ key: "mine" })) history.push(entry.string());
  expect(history).toEqual(["[]", "[1]", "[1,2]"]);
  expect((await kv.get("gone"))!.operation).toBe("DEL");
  await vi.waitFor(() => {
    expect(service.bridge.store.text(["nats", "kv", "team"])).toBe(
      '{"mine":[1,2],"theirs":"newer"}',
    );
  }, 5_000);
  await client.close();
}, 40_000);

it("without a connection and without a buffer a write is 503 at once", async () => {
  await using nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  await (await client.jetstream().views.kv("team")).put("a", "1");
  await client.close();
  await using service = await startWriting({ server_url: nats.url, ...AGAIN });
  await service.bridge.manager.getOrCreateWatcher("team");
  await nats.stop();
  await lost(service);
  const reply = await service.ask("PUT", "nats/kv/team/a", "2");
  expect(failureOf(reply)).toEqual([503, "internal_error", "NATS_UNREACHABLE"]);
}, 40_000);

it("O64 what was accepted in an outage is written by a bridge that stops when NATS comes back", async () => {
  await using nats = await startNatsServer();
  await using proxy = await startTcpProxy(nats.port);
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("team");
  await kv.put("a", "0");
  const service = await startWriting(
    { server_url: proxy.url, ...AGAIN },
    { enabled: true, buffer: true },
  );
  await service.bridge.manager.getOrCreateWatcher("team");
  proxy.cut();
  await lost(service);
  for (const value of ["1", "2", "3"]) {
    expect((await service.ask("PUT", "nats/kv/team/a", value)).status).toBe(202);
  }
  const stopped = service[Symbol.asyncDispose]();
  proxy.restore();
  await stopped;
  expect((await kv.get("a"))!.string()).toBe("3");
  expect(service.bridge.status().writes).toMatchObject({ waiting: 0, replayed: 3, dropped: 0 });
  await client.close();
}, 40_000);
