import Fastify, { type FastifyInstance, type FastifyPluginAsync } from "fastify";
import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";

const GROUP = "550e8400-e29b-41d4-a716-446655440000";
const APP = new URL("../../../examples/embedded/app.mjs", import.meta.url).href;

describe("examples/embedded", () => {
  let nats: NatsServer;
  let connection: NatsConnection;
  let kv: KV;
  let bridge: Bridge;
  let app: FastifyInstance;

  beforeAll(async () => {
    nats = await startNatsServer();
    connection = await connect({ servers: nats.url });
    kv = await connection.jetstream().views.kv(GROUP);
    await kv.put("metadata", '{"active":true}');
    await kv.put("members.alice", '{"role":"admin"}');
    const permission = { resource: "invoice", action: "pay", roles: ["admin"], effect: "allow" };
    await kv.put("permissions.pay", JSON.stringify(permission));
    bridge = await createBridge({
      nats: { server_url: nats.url },
      bundle: { file: "examples/groups/bundle.tar.gz" },
    });
    const routes = (await import(APP)) as { app: FastifyPluginAsync<{ bridge: Bridge }> };
    app = Fastify();
    await app.register(routes.app, { bridge });
  });

  afterAll(async () => {
    await app?.close();
    await bridge?.close();
    await connection?.close();
    await nats?.stop();
  });

  async function pay(user: string, group = GROUP): Promise<{ status: number; body: unknown }> {
    const url = `/groups/${group}/invoices/7/payment`;
    const answer = await app.inject({ method: "POST", url, headers: { "x-user": user } });
    return { status: answer.statusCode, body: answer.json() };
  }

  it("lets through what the policy allows", async () => {
    expect(await pay("alice")).toEqual({ status: 201, body: { paid: "7" } });
  });

  it("refuses everything else with the policy's reason, until the bucket says otherwise", async () => {
    const reason = "the user is not a member of the group";
    expect(await pay("bob")).toEqual({ status: 403, body: { error: "forbidden", reason } });
    expect((await pay("")).status).toBe(403);
    const missing = "there is no such group, or it is not active";
    expect((await pay("alice", "no-such-group")).body).toMatchObject({ reason: missing });
    await kv.put("members.bob", '{"role":"admin"}');
    await vi.waitFor(async () => expect((await pay("bob")).status).toBe(201), 20_000);
  });

  it("lets nobody through when there is no decision", async () => {
    await using unable = await createBridge({
      nats: { server_url: nats.url },
      bundle: { file: "test/policies/basic/bundle.tar.gz" },
    });
    const routes = (await import(APP)) as { app: FastifyPluginAsync<{ bridge: Bridge }> };
    await using other = Fastify();
    await other.register(routes.app, { bridge: unable });
    const answer = await other.inject({ url: `/groups/${GROUP}/invoices` });
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toEqual({ error: "forbidden", reason: "no decision" });
  });

  it("lets nobody through when deciding fails, and closes the bridge with the application", async () => {
    await bridge.close();
    const body = { error: "no decision can be made", code: "BRIDGE_STOPPING" };
    expect(await pay("alice")).toEqual({ status: 503, body });
    expect((await app.inject("/health")).statusCode).toBe(503);
  });
});
