import { once } from "node:events";
import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { parseConfig } from "../../../src/config/load.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";
import { startServer } from "../../../src/server/server.ts";
import { plain } from "../../unit/feed/feed-client.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { readEvents, readSocket } from "./feed-kit.ts";
import { metric } from "./scrape.ts";
import { BASIC } from "./service.ts";

const DEADLINE = { timeout: 60_000, interval: 10 };
/** Together far more than the sockets between a server and its client hold. */
const WRITES = 300;
const VALUE = JSON.stringify("x".repeat(64 * 1024));

it("F2 who stops reading is behind, is ended as slow with the cursor to go on from, and counted; the others are told all", async () => {
  await using nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("root", { history: 1 });
  await kv.put("before", "1");
  const config = parseConfig({
    nats: { server_url: nats.url, root_bucket: "root" },
    bundle: { file: BASIC },
    feed: { max_bytes: "512MiB" },
  });
  // Sooner found than at the service's own limits.
  const feed = { ...config.feed, farBehind: 20, stallMs: 1_000 };
  await using bridge = await createBridge({ ...config, feed });
  const { url, close } = await startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
    // However busy the machine is.
    lastFrameMs: 300_000,
  });
  const subscribed = vi.spyOn(bridge.feed, "subscribe");
  /** Resolves when the feed ends the subscriber of this number. */
  const endOf = async (index: number): Promise<void> => {
    const { ended } = subscribed.mock.results[index]!.value as FeedSubscription;
    if (!ended.aborted) await once(ended, "abort");
  };
  // Each reads its first message, and on from its end.
  using events = await readEvents(`${url}/v1/feed`, {}, () => endOf(0));
  using unread = await readEvents(`${url}/v1/feed?snapshot=true`, {}, () => endOf(1));
  using messages = await readSocket(`${url}/v1/feed`);
  using reading = await readEvents(`${url}/v1/feed?snapshot=true`);
  await vi.waitFor(() => {
    for (const one of [events, unread, messages]) expect(one.client.types[0]).toBe("hello");
    expect(reading.client.types).toContain("complete");
  }, DEADLINE);
  messages.socket.pause();
  void endOf(2).then(() => messages.socket.resume());
  expect(await metric(url, "feed_subscribers")).toBe(4);

  for (let count = 0; count < WRITES; count++) await kv.put(`k${count}`, VALUE);
  await vi.waitFor(
    () => expect(reading.client.contents.get("root")!.size).toBe(WRITES + 1),
    DEADLINE,
  );
  await vi.waitFor(() => expect(bridge.feed.status().ended.slow).toBe(3), DEADLINE);
  await Promise.all([events.closed, unread.closed, messages.closed]);
  expect(await metric(url, 'feed_ended_total{reason="slow"}')).toBe(3);
  expect(await metric(url, 'feed_ended_total{reason="stopping"}')).toBe(0);
  expect(await metric(url, "feed_subscribers")).toBe(1);
  expect(await metric(url, "feed_max_lag_commits")).toBe(0);

  for (const { client: slow, cursors } of [events, unread, messages]) {
    const { end } = slow;
    expect(end).toMatchObject({ type: "end", reason: "slow" });
    expect(end!.cursor).toBe(cursors.at(-1));
    // What comes after the cursor, and nothing that was told before it.
    using again = await readEvents(`${url}/v1/feed?cursor=${end!.cursor}`);
    again.client.fill(plain(slow.contents));
    again.client.versions.push(...slow.versions.slice(-1));
    await vi.waitFor(() => expect(again.client.cursor).toBe(bridge.feed.status().cursor), DEADLINE);
    expect(again.client.versions.length).toBeGreaterThan(20);
    expect(plain(again.client.contents)["root"]).toMatchObject({ [`k${WRITES - 1}`]: VALUE });
  }
  await vi.waitFor(() => expect(bridge.feed.status().subscribers).toBe(1), DEADLINE);

  await close();
  await reading.closed;
  expect(reading.client.end).toMatchObject({ reason: "stopping" });
  const { text } = await bridge.metrics.text();
  expect(text).toContain('nats_opa_bridge_feed_ended_total{reason="stopping"} 1\n');
  expect(text).toContain('nats_opa_bridge_feed_ended_total{reason="slow"} 3\n');
  await client.close();
}, 240_000);
