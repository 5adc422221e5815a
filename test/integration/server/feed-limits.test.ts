import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { startServer } from "../../../src/server/server.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { startLogged } from "../decisions/kit.ts";
import { readEvents, readSocket } from "./feed-kit.ts";
import { BASIC, startService } from "./service.ts";

const DEADLINE = { timeout: 20_000, interval: 10 };
const MOST = 2;

it("those who stay to hear what changes, or what is decided, don't count for the limit of requests", async () => {
  await using nats = await startNatsServer();
  await using proxy = await startTcpProxy(nats.port);
  const client = await connect({ servers: nats.url });
  await (await client.jetstream().views.kv("team")).put("a", "1");
  await using service = await startService(
    BASIC,
    { server_url: proxy.url },
    { maxConcurrentRequests: MOST },
  );
  const url = `${service.url}/v1/feed`;
  const subscribers = await Promise.all([
    ...Array.from({ length: 2 * MOST }, () => readEvents(url)),
    ...Array.from({ length: 2 * MOST }, () => readSocket(url)),
  ]);
  const { feed, engine } = service.bridge;
  expect(feed.status().subscribers).toBe(4 * MOST);

  // The bucket's load stands still, so those who ask for it stay as well; and those do count.
  proxy.fromServer.shut();
  const input = { bucket: "team", key: "a" };
  const waiting = Array.from({ length: MOST }, () => service.decide("basic/value", input));
  await vi.waitFor(() => expect(engine.suspended).toBe(MOST), DEADLINE);
  expect(await service.decide("basic/value", input)).toMatchObject({
    status: 503,
    body: { errors: [{ code: "SERVER_BUSY" }] },
  });
  // At the limit there is still room to hear of changes.
  subscribers.push(await readEvents(url), await readSocket(url));
  expect(feed.status().subscribers).toBe(4 * MOST + 2);
  proxy.fromServer.open();
  for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);

  for (const one of subscribers) one[Symbol.dispose]();
  await vi.waitFor(() => expect(feed.status().subscribers).toBe(0), DEADLINE);
  await client.close();
}, 60_000);

it("those who look at the decisions don't count for it either, and have a limit of their own", async () => {
  await using nats = await startNatsServer();
  await using service = await startLogged(nats, {
    decision_logs: { console: true },
    server: { max_concurrent_requests: 1 },
  });
  const abort = new AbortController();
  const { signal } = abort;
  const look = (): Promise<Response> => fetch(`${service.url}/v1/decisions`, { signal });
  // As many as may look.
  for (let count = 0; count < 20; count++) expect((await look()).status).toBe(200);
  expect((await fetch(`${service.url}/health`)).status).toBe(200);
  const refused = await look();
  expect([refused.status, await refused.json()]).toMatchObject([
    503,
    { errors: [{ code: "SERVER_BUSY" }] },
  ]);
  abort.abort();
  await vi.waitFor(async () => {
    const left = new AbortController();
    const { status } = await fetch(`${service.url}/v1/decisions`, { signal: left.signal });
    left.abort();
    expect(status).toBe(200);
  }, DEADLINE);
}, 60_000);

it("J14 J29 a cursor below what is kept is refused with the lowest one that is not, and never moved up in silence", async () => {
  await using nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("root");
  await using bridge = await createBridge({
    nats: { server_url: nats.url, root_bucket: "root" },
    bundle: { file: BASIC },
    feed: { max_commits: 2 },
  });
  const server = await startServer(bridge, { ...bridge.config.server, host: "127.0.0.1", port: 0 });
  const url = `${server.url}/v1/feed`;
  using first = await readEvents(url);
  const start = await vi.waitUntil(() => first.client.cursor, DEADLINE);
  for (let put = 0; put < 5; put++) {
    const { version } = bridge.store;
    await kv.put(`k${put}`, "1");
    await vi.waitFor(() => expect(bridge.store.version).toBe(version + 1), DEADLINE);
  }
  const refused = await fetch(`${url}?cursor=${start}`);
  const body = (await refused.json()) as { floor: string };
  expect([refused.status, body]).toMatchObject([
    410,
    {
      code: "invalid_parameter",
      errors: [{ code: "FEED_CURSOR_TOO_OLD" }],
      floor: bridge.feed.floor,
    },
  ]);
  await expect(readSocket(`${url}?cursor=${start}`)).rejects.toThrow("response: 410");
  using again = await readEvents(`${url}?cursor=${body.floor}`);
  await vi.waitFor(() => expect(again.client.versions).toHaveLength(2), DEADLINE);
  expect(again.client.hello).toMatchObject({ floor: body.floor });
  await server.close();
  await client.close();
}, 60_000);

it("the feed has a limit of its own: one too many is told so, and gets the place of one who goes", async () => {
  await using nats = await startNatsServer();
  await using bridge = await createBridge({
    nats: { server_url: nats.url },
    bundle: { file: BASIC },
    feed: { max_subscribers: 2 },
  });
  const server = await startServer(bridge, { ...bridge.config.server, host: "127.0.0.1", port: 0 });
  const url = `${server.url}/v1/feed`;
  using first = await readEvents(url);
  using second = await readSocket(url);
  const response = await fetch(url);
  expect([response.status, await response.json()]).toMatchObject([
    503,
    {
      code: "internal_error",
      errors: [
        { code: "FEED_FULL", message: expect.stringContaining("feed.max_subscribers") as string },
      ],
    },
  ]);
  await expect(readSocket(url)).rejects.toThrow("Unexpected server response: 503");
  expect(bridge.feed.status().subscribers).toBe(2);
  first[Symbol.dispose]();
  await vi.waitFor(() => expect(bridge.feed.status().subscribers).toBe(1), DEADLINE);
  using third = await readSocket(url);
  expect(bridge.feed.status().subscribers).toBe(2);
  for (const one of [second, third]) one[Symbol.dispose]();
  await server.close();
}, 60_000);
