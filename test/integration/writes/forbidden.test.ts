import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { failureOf, startWriting } from "./write-kit.ts";

/** The bridge's user may read all buckets, and write one. */
const USERS = `authorization { users: [
  { user: admin, password: pw }
  { user: bridge, password: pw, permissions: {
    publish: ["$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.CREATE.>", "$JS.FC.>", "$KV.open.>"]
    subscribe: ["_INBOX.>"]
  } }
] }`;

it("S5 a NATS user who may not write a bucket is told so once a write; it is not retried, and all else goes on", async () => {
  await using nats = await startNatsServer({ config: USERS });
  const client = await connect({ servers: nats.url, user: "admin", pass: "pw" });
  const { views } = client.jetstream();
  const [open, shut] = [await views.kv("open"), await views.kv("shut")];
  await open.put("a", "1");
  const revision = await shut.put("a", "1");
  await using proxy = await startTcpProxy(nats.port);
  await using service = await startWriting(
    { server_url: proxy.url, username: "bridge", password: "pw", reconnect_wait: "20ms" },
    { enabled: true, buffer: true },
  );
  const refusals = (): number => nats.logs().split("Publish Violation").length - 1;
  const connects = proxy.connections;

  for (const [method, body] of [
    ["PUT", "2"],
    ["PATCH", '[{"op":"replace","path":"","value":2}]'],
    ["DELETE", undefined],
  ] as const) {
    const reply = await service.ask(method, "nats/kv/shut/a", body);
    expect(failureOf(reply)).toEqual([403, "unauthorized", "WRITE_NOT_ALLOWED"]);
  }
  expect((await service.ask("PUT", "nats/kv/open/a", "2")).status).toBe(200);
  expect(refusals()).toBe(3);
  expect(service.bridge.status()).toMatchObject({
    nats: { state: "connected" },
    writes: { waiting: 0, stored: 1 },
  });
  expect(proxy.connections).toBe(connects);

  // What was accepted without a connection is refused once, and what comes behind it is written.
  proxy.cut();
  await vi.waitFor(() => expect(service.bridge.status().nats.state).toBe("disconnected"), 5_000);
  expect((await service.ask("PUT", "nats/kv/shut/a", "3")).status).toBe(202);
  expect((await service.ask("PUT", "nats/kv/open/a", "3")).status).toBe(202);
  proxy.restore();
  await vi.waitFor(() => {
    expect(service.bridge.status().writes).toMatchObject({ waiting: 0, replayed: 1, refused: 1 });
  }, 10_000);
  expect(refusals()).toBe(4);
  expect((await open.get("a"))!.string()).toBe("3");
  expect((await shut.get("a"))!.revision).toBe(revision);
  // It is still followed.
  await shut.put("a", "4");
  await vi.waitFor(() => {
    expect(service.bridge.store.text(["nats", "kv", "shut", "a"])).toBe("4");
  }, 5_000);
  await client.close();
}, 40_000);
