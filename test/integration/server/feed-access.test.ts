import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ServerOptions } from "../../../src/server/server.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { readEvents, readSocket } from "./feed-kit.ts";
import { API, type Service, startService } from "./service.ts";

let nats: NatsServer;
let folder: string;
let tokenFile: string;

beforeAll(async () => {
  nats = await startNatsServer();
  folder = await mkdtemp(join(tmpdir(), "feed-access-"));
  tokenFile = join(folder, "tokens");
  await writeFile(tokenFile, "reader-token\n");
});

afterAll(async () => {
  await nats.stop();
  await rm(folder, { recursive: true });
});

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

describe.each<[string, Partial<ServerOptions>, string, string]>([
  ["a token", { authentication: "token" }, "reader-token", "reader-toke"],
  // The policy allows alice some decisions, and not the feed.
  ["the policy", { authentication: "token", authorization: "basic" }, "admin", "alice"],
])("the feed behind %s", (_, options, allowed, refused) => {
  let service: Service;
  let url: string;
  beforeAll(async () => {
    const file = options.authorization === undefined ? { tokenFile } : {};
    service = await startService(API, { server_url: nats.url }, { ...options, ...file });
    url = `${service.url}/v1/feed?snapshot=true`;
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it("is told to who is allowed, as events and over a WebSocket", async () => {
    using events = await readEvents(url, bearer(allowed));
    using messages = await readSocket(url, bearer(allowed));
    for (const { client } of [events, messages]) {
      await vi.waitFor(() => expect(client.types).toContain("complete"), 10_000);
    }
  });

  it("is refused to all others before anything is subscribed or said, floor and parameters included", async () => {
    const status = vi.spyOn(service.bridge.feed, "subscribe");
    const queries = ["?snapshot=true", "?cursor=x:1", "?nonsense=1"];
    for (const headers of [{}, bearer(refused), { authorization: "Basic x" }]) {
      for (const query of queries) {
        const address = `${service.url}/v1/feed${query}`;
        const response = await fetch(address, { headers });
        const text = await response.text();
        expect([query, response.status, text]).toEqual([
          query,
          401,
          expect.not.stringContaining("floor"),
        ]);
        expect(text).toContain('"unauthorized"');
        await expect(readSocket(address, headers)).rejects.toThrow("response: 401");
      }
    }
    expect(status).not.toHaveBeenCalled();
    status.mockRestore();
  });
});
