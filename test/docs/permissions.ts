import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { expect } from "vitest";
import { createBridge } from "../../src/bridge.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { Block } from "./blocks.ts";

const BASIC = fileURLToPath(new URL("../policies/basic/bundle.tar.gz", import.meta.url));

/** The user of the block may do what a bridge needs: for a load, for changes, and after a restart; and no more. */
export async function isEnough({ text }: Block): Promise<void> {
  const admin = "  users = [\n    { user: admin, password: admin }\n";
  const config = text.replace("  users = [\n", admin);
  expect(config).toContain(admin);
  await using nats = await startNatsServer({ config });
  const client = await connect({ servers: nats.url, user: "admin", pass: "admin" });
  const { views } = client.jetstream();
  await (await views.kv("other")).put("a", "1");
  const kv = await views.kv("team-a");
  // Enough for flow control to be needed.
  const value = new TextEncoder().encode("x".repeat(1_000));
  for (let key = 0; key < 20_000; key++) client.publish(`$KV.team-a.k${key}`, value);
  await client.flush();
  await kv.put("last", "0");

  await using bridge = await createBridge({
    nats: { server_url: nats.url, username: "bridge", password: "change me" },
    bundle: { file: BASIC },
  });
  const last = async (): Promise<unknown> => {
    const input = { bucket: "team-a", key: "last" };
    return (await bridge.decide("basic/value", input)).result;
  };
  const until = async (expected: number): Promise<void> => {
    await expect.poll(last, { timeout: 15_000, interval: 20 }).toBe(expected);
  };
  await until(0);
  await kv.put("last", "1");
  await until(1);
  await nats.restart();
  await expect
    .poll(() => kv.put("last", "2").catch(() => undefined), { timeout: 15_000 })
    .toBeTypeOf("number");
  await until(2);
  const forbidden = bridge.manager.getOrCreateWatcher("other");
  await expect(forbidden).rejects.toMatchObject({ code: "BUCKET_FORBIDDEN" });
  await client.close();
}
