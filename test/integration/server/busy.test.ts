import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { BASIC, type Reply, startService } from "./service.ts";

const MOST = 3;

it("decisions that wait for a bucket count for the limit until they end or their clients go away", async () => {
  await using nats = await startNatsServer();
  await using proxy = await startTcpProxy(nats.port);
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("team");
  await kv.put("a", "1");
  await using service = await startService(
    BASIC,
    { server_url: proxy.url },
    { maxConcurrentRequests: MOST },
  );
  const body = '{"input":{"bucket":"team","key":"a"}}';
  const ask = (signal?: AbortSignal): Promise<Reply> =>
    service.get("/v1/data/basic/value", { method: "POST", body, ...(signal && { signal }) });
  const suspended = (count: number): Promise<void> =>
    vi.waitFor(() => expect(service.bridge.engine.suspended).toBe(count), 5_000);
  const healthy = async (): Promise<void> => {
    await vi.waitFor(async () => expect((await service.get("/health")).status).toBe(200), 5_000);
  };

  // The bucket's load stands still, and so do the decisions that ask for it.
  proxy.fromServer.shut();
  const leaving = new AbortController();
  const left = Array.from({ length: MOST }, () => ask(leaving.signal).catch(() => "left"));
  await suspended(MOST);
  for (const reply of await Promise.all([ask(), service.get("/health"), service.get("/nowhere")])) {
    expect([reply.status, reply.headers.get("retry-after"), reply.body]).toMatchObject([
      503,
      "1",
      { code: "internal_error", errors: [{ code: "SERVER_BUSY" }] },
    ]);
  }
  await suspended(MOST);

  leaving.abort();
  expect(await Promise.all(left)).toEqual(Array.from({ length: MOST }, () => "left"));
  await healthy();

  const waiting = Array.from({ length: MOST }, () => ask());
  await vi.waitFor(async () => expect((await ask()).status).toBe(503), 5_000);
  proxy.fromServer.open();
  for (const reply of await Promise.all(waiting)) {
    expect([reply.status, reply.body]).toEqual([200, { result: 1 }]);
  }
  // All places are free again, none twice: as many as the limit get their answers, over and over.
  for (let round = 0; round < 5; round++) {
    const replies = await Promise.all(Array.from({ length: MOST }, () => ask()));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: MOST }, () => 200));
  }
  await client.close();
}, 40_000);
