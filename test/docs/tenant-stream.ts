import { fileURLToPath } from "node:url";
import { connect, type StreamConfig } from "nats";
import { expect } from "vitest";
import { createBridge } from "../../src/bridge.ts";
import { serverVersionAtLeast, startNatsServer } from "../support/nats-server.ts";
import type { Block } from "./blocks.ts";

const BASIC = fileURLToPath(new URL("../policies/basic/bundle.tar.gz", import.meta.url));

/** Whether the server here can give subjects other names on the way from one stream to another. */
export async function canTransform(): Promise<boolean> {
  await using nats = await startNatsServer();
  return serverVersionAtLeast(nats, "2.10.0");
}

/** The stream of the block is a tenant's own bucket, and follows the one bucket of all tenants. */
export async function followsTenant({ text }: Block): Promise<void> {
  await using nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  const all = await client.jetstream().views.kv("POLICY_DATA");
  await all.put("acme.members.alice", '"admin"');
  await all.put("other.members.bob", '"admin"');
  const manager = await client.jetstreamManager();
  await manager.streams.add(JSON.parse(text) as StreamConfig);
  // A stream gets what is there already a moment after it was made.
  await expect
    .poll(async () => (await manager.streams.info("KV_acme")).state.messages, { timeout: 20_000 })
    .toBe(1);
  await using bridge = await createBridge({
    nats: { server_url: nats.url, refresh_interval: "100ms" },
    bundle: { file: BASIC },
  });
  const value = async (key: string): Promise<unknown> =>
    (await bridge.decide("basic/value", { bucket: "acme", key })).result;
  expect([await value("members.alice"), await value("members.bob")]).toEqual(["admin", null]);
  const until = async (key: string, expected: unknown): Promise<void> => {
    await expect.poll(() => value(key), { timeout: 20_000, interval: 20 }).toBe(expected);
  };
  await all.put("acme.members.carol", '"viewer"');
  await until("members.carol", "viewer");
  await all.delete("acme.members.alice");
  await until("members.alice", null);
  await all.purge("acme.members.carol");
  await until("members.carol", null);
  await expect
    .poll(() => bridge.manager.watcher("acme")?.status(), { timeout: 20_000 })
    .toMatchObject({ state: "live", keys: 0, reloads: 0, provedMs: expect.any(Number) });
  await client.close();
}
