import { expect, it, vi } from "vitest";
import { sharedNats } from "../../support/shared-nats.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { plain } from "../../unit/feed/feed-client.ts";
import { readEvents, readSocket } from "./feed-kit.ts";
import { BASIC, startService } from "./service.ts";

const DEADLINE = { timeout: 20_000, interval: 10 };
const shared = sharedNats();

it("O10 O48 a gap is closed whoever leaves meanwhile; who comes back is told the real differences, and no more", async () => {
  await shared.put("root", { kept: "1", changed: '"old"', deleted: "1" });
  await using proxy = await startTcpProxy(shared.nats.port);
  await using service = await startService(BASIC, {
    server_url: proxy.url,
    root_bucket: "root",
    reconnect_wait: "20ms",
    reconnect_max_wait: "50ms",
  });
  const { feed, store } = service.bridge;
  const url = `${service.url}/v1/feed`;
  const events = await readEvents(`${url}?snapshot=true`);
  const messages = await readSocket(`${url}?snapshot=true`);
  for (const { client } of [events, messages]) {
    await vi.waitFor(() => expect(client.types).toContain("complete"), DEADLINE);
  }
  proxy.cut();
  await vi.waitFor(() => {
    expect(service.bridge.status().nats.state).toBe("disconnected");
  }, DEADLINE);
  events[Symbol.dispose]();
  await shared.put("root", { changed: '"new"', added: "1" });
  await (await shared.client.jetstream().views.kv("root")).delete("deleted");
  // The very last client goes while the connection is made again.
  proxy.fromServer.shut();
  proxy.restore();
  await vi.waitFor(() => expect(proxy.connections).toBe(1), DEADLINE);
  messages[Symbol.dispose]();
  await vi.waitFor(() => expect(feed.status().subscribers).toBe(0), DEADLINE);
  proxy.fromServer.open();

  await vi.waitFor(() => expect(store.text(["changed"])).toBe('"new"'), DEADLINE);
  for (const { client } of [events, messages]) {
    using again = await readEvents(`${url}?cursor=${client.cursor}`);
    again.client.fill(plain(client.contents));
    await vi.waitFor(() => expect(again.client.cursor).toBe(feed.status().cursor), DEADLINE);
    expect(again.client.types).toEqual(["hello", "change"]);
    expect(plain(again.client.contents)).toEqual({
      root: { added: "1", changed: '"new"', kept: "1" },
    });
  }
}, 60_000);
