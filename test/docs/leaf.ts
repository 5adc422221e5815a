import { connect, type StreamConfig } from "nats";
import { expect } from "vitest";
import { scratch } from "../integration/cli/cli.ts";
import { author, numbered } from "../integration/nats/bucket-kit.ts";
import { expectCurrent, expectProved } from "../integration/watch/currency-kit.ts";
import { watchServer } from "../integration/watch/support.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Block, blockAfter } from "./blocks.ts";

const BUCKET = "team-a";
/** Enough for flow control to be needed. */
const KEYS = 20_000;

/** A hub with a bucket, and the leaf node of the block. */
async function withLeaf(
  { text }: Block,
  use: (hub: NatsServer, leaf: NatsServer) => Promise<void>,
): Promise<void> {
  await using dir = await scratch();
  const port = await freePort();
  await using hub = await startNatsServer({
    jetstream: false,
    config: `server_name: hub
jetstream { domain: hub, store_dir: "${dir.path}/hub" }
leafnodes { listen: "127.0.0.1:${port}" }`,
  });
  await using leaf = await startNatsServer({
    jetstream: false,
    config: `server_name: leaf\n${text
      .replace("hub.example.com:7422", `127.0.0.1:${port}`)
      .replace('"/data"', `"${dir.path}/leaf"`)}`,
  });
  await use(hub, leaf);
}

/** Watches the bucket by way of the leaf node: it is loaded, followed and proved. */
async function expectFollowed(hub: NatsServer, leaf: NatsServer): Promise<void> {
  await using admin = await author(hub.url);
  await using watching = await watchServer(leaf.url, { refreshIntervalMs: 200 });
  await watching.manager.getOrCreateWatcher(BUCKET);
  await admin.putAll(BUCKET, [["key.0", '"changed"']]);
  await expectCurrent(watching, admin, BUCKET, 30_000);
  await expectProved(watching, BUCKET);
}

async function fill(hub: NatsServer): Promise<void> {
  await using admin = await author(hub.url);
  await admin.create(BUCKET);
  await admin.putAll(BUCKET, numbered(KEYS));
}

/** The mirror that the block after this one describes, at the leaf node of this one. */
export function leafWithMirror(block: Block): Promise<void> {
  return withLeaf(block, async (hub, leaf) => {
    await fill(hub);
    const client = await connect({ servers: leaf.url });
    const manager = await client.jetstreamManager();
    await manager.streams.add(JSON.parse(blockAfter(block)!.text) as StreamConfig);
    const messages = async (): Promise<number> =>
      (await manager.streams.info(`KV_${BUCKET}`)).state.messages;
    await expect.poll(messages, { timeout: 40_000 }).toBe(KEYS);
    await client.close();
    await expectFollowed(hub, leaf);
  });
}

/** The hub's own bucket; and nothing without the line that leads there. */
export async function leafOfDomain(block: Block): Promise<void> {
  await withLeaf(block, async (hub, leaf) => {
    await fill(hub);
    await expectFollowed(hub, leaf);
  });
  const text = block.text.replace(/^default_js_domain.*\n/m, "");
  expect(text).not.toBe(block.text);
  await withLeaf({ ...block, text }, async (hub, leaf) => {
    await fill(hub);
    await using watching = await watchServer(leaf.url);
    const watcher = watching.manager.getOrCreateWatcher(BUCKET);
    await expect(watcher).rejects.toMatchObject({ code: "JETSTREAM_UNAVAILABLE" });
  });
}
