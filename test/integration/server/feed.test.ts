import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { contentsOf, plain } from "../../unit/feed/feed-client.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { readEvents, readSocket, type Subscriber } from "./feed-kit.ts";
import { BASIC, type Service, startService } from "./service.ts";

let nats: NatsServer;
let client: NatsConnection;
let service: Service;
let root: KV;
let team: KV;

const DEADLINE = { timeout: 15_000, interval: 10 };

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  root = await client.jetstream().views.kv("root");
  await root.put("users.bob", '{"age": 9007199254740993}');
  team = await client.jetstream().views.kv("team");
  await team.put("members.alice", '{\n  "since": 1\r\n}');
  await team.put("settings", "{}");
  service = await startService(BASIC, {
    server_url: nats.url,
    root_bucket: "root",
    reconnect_wait: "50ms",
  });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await client.close();
  await nats.stop();
});

/** Until it has been told all that the store has, of what is wanted. */
async function expectCurrent({ client }: Subscriber, buckets = ["root", "team"]): Promise<void> {
  const wanted = (): unknown => {
    const all = Object.entries(contentsOf(service.bridge.store));
    // Texts are compared as values: the client parses them.
    return Object.fromEntries(
      all
        .filter(([bucket]) => buckets.includes(bucket))
        .map(([bucket, keys]) => {
          const texts = Object.entries(keys).map(([key, text]) => [key, compact(text)] as const);
          return [bucket, Object.fromEntries(texts)];
        }),
    );
  };
  await vi.waitFor(() => expect(plain(client.contents)).toEqual(wanted()), DEADLINE);
}

function compact(text: string): string {
  return JSON.stringify(JSON.parse(text));
}

describe("GET /v1/feed", () => {
  it("F1 gives a snapshot and then what changes, as events and as messages of a WebSocket", async () => {
    const url = `${service.url}/v1/feed?snapshot=true`;
    using events = await readEvents(url);
    using messages = await readSocket(url);
    for (const one of [events, messages]) await expectCurrent(one);
    // A decision loads a bucket, whose data comes with it.
    await service.decide("basic/value", { bucket: "team", key: "settings" });
    for (const one of [events, messages]) await expectCurrent(one);
    expect(events.client.contents.has("team")).toBe(true);
    await team.put("members.carol", '"new"');
    await team.delete("settings");
    for (const one of [events, messages]) await expectCurrent(one);
    expect(events.cursors).toEqual(messages.cursors.slice(-events.cursors.length));
  });

  it("sends values as they are stored", async () => {
    const response = await fetch(`${service.url}/v1/feed?snapshot&bucket=root&bucket=team`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    let text = "";
    for await (const bytes of response.body!) {
      text += Buffer.from(bytes as Uint8Array).toString("utf8");
      if (text.includes('"complete"')) break;
    }
    expect(text).toContain('"value":{"age": 9007199254740993}');
    expect(text).toContain('"value":{\ndata:   "since": 1\ndata: }');
  });

  it("J12 tells only what the filter lets through, and goes on after a cursor, the event's id before the URL's", async () => {
    using first = await readEvents(`${service.url}/v1/feed?bucket=te*m&prefix=members`);
    const start = await vi.waitUntil(() => first.client.cursor, DEADLINE);
    await root.put("users.bob", '"other"');
    await team.put("settings", "1");
    await team.put("members.alice", '"one"');
    await vi.waitFor(() => expect(first.client.versions).toHaveLength(1), DEADLINE);
    await team.put("members.alice", '"two"');
    await vi.waitFor(() => expect(first.client.versions).toHaveLength(2), DEADLINE);
    expect(plain(first.client.contents)).toEqual({ team: { "members.alice": '"two"' } });
    const url = `${service.url}/v1/feed?bucket=team&cursor=${start}`;
    using again = await readEvents(url);
    // The bucket's changes may have come as one commit, but none is missing.
    const all = { team: { settings: "1", "members.alice": '"two"' } };
    await vi.waitFor(() => expect(plain(again.client.contents)).toEqual(all), DEADLINE);
    using later = await readEvents(url, { "last-event-id": first.cursors.at(-2)! });
    await vi.waitFor(() => expect(later.client.versions).toHaveLength(1), DEADLINE);
    expect(later.client.versions).toEqual(first.client.versions.slice(-1));
  });

  it("C1 O29 O57 tells a subscriber that stays connected the real differences after a gap", async () => {
    using events = await readEvents(`${service.url}/v1/feed?snapshot=true&bucket=root`);
    await expectCurrent(events, ["root"]);
    const before = events.client.versions.length;
    await nats.restart();
    await vi.waitFor(() => root.put("users.eve", '"after"'), DEADLINE);
    await vi.waitFor(
      () => expect(events.client.contents.get("root")!.get("users.eve")).toBe('"after"'),
      DEADLINE,
    );
    expect(events.client.types.filter((type) => type === "snapshot")).toHaveLength(1);
    expect(events.client.versions.slice(before)).toHaveLength(1);
    await expectCurrent(events, ["root"]);
  });
});

describe("J14 J16 J19 J29 what can't be", () => {
  const REFUSED: [query: string, status: number, code: string][] = [
    ["cursor=nonsense", 400, "FEED_CURSOR_INVALID"],
    ["cursor=a:1&cursor=a:2", 400, "FEED_CURSOR_INVALID"],
    ["cursor=otherrun:1", 410, "FEED_CURSOR_EPOCH"],
    ["bucket=a%20b", 400, "FEED_FILTER"],
    ["bucket=", 400, "FEED_FILTER"],
    ["prefix=a..b", 400, "FEED_FILTER"],
    ["buckets=a", 400, "FEED_FILTER"],
    ["__proto__=a", 400, "FEED_FILTER"],
    ["snapshot=yes", 400, "FEED_FILTER"],
    ["snapshot=true&snapshot=false", 400, "FEED_FILTER"],
    [Array.from({ length: 17 }, () => "bucket=a").join("&"), 400, "FEED_FILTER"],
  ];

  it.each(REFUSED)("is refused before anything is sent: %s", async (query, status, code) => {
    const subscribers = (): number => service.bridge.feed.status().subscribers;
    await vi.waitFor(() => expect(subscribers()).toBe(0), DEADLINE);
    const reply = await service.get(`/v1/feed?${query}`);
    expect([reply.status, reply.body]).toMatchObject([status, { errors: [{ code }] }]);
    const socket = readSocket(`${service.url}/v1/feed?${query}`);
    await expect(socket).rejects.toThrow(`Unexpected server response: ${status}`);
    expect(subscribers()).toBe(0);
    const withFloor = code.startsWith("FEED_CURSOR");
    expect((reply.body as { floor?: string }).floor !== undefined).toBe(withFloor);
  });

  it.each([
    ["text", "options", 1008],
    ["bytes", Buffer.of(1, 2, 3), 1008],
    ["too much", "x".repeat(2_000), 1009],
  ])("J18 J21 is a message from a client: its connection is closed (%s)", async (_, data, code) => {
    using messages = await readSocket(`${service.url}/v1/feed`);
    const closed = once(messages.socket, "close");
    messages.socket.send(data);
    const [told] = (await closed) as [number];
    expect(told).toBe(code);
    await vi.waitFor(() => expect(service.bridge.feed.status().subscribers).toBe(0), DEADLINE);
  });

  it("leaves nothing behind when a handshake is not one, or a client goes without a word", async () => {
    const { port } = service.server;
    const ask = async (lines: string[]): Promise<string> => {
      const socket = connectSocket(port, "127.0.0.1");
      socket.write([...lines, "", ""].join("\r\n"));
      const [first] = await new Promise<string[]>((resolve) => {
        socket.once("data", (data) => resolve([data.toString("latin1")]));
      });
      socket.destroy();
      return first!.split("\r\n")[0]!;
    };
    const upgrade = ["Host: x", "Connection: Upgrade", "Upgrade: websocket"];
    expect(await ask(["GET /v1/feed HTTP/1.1", ...upgrade])).toBe("HTTP/1.1 400 Bad Request");
    expect(await ask(["GET /v1/feed HTTP/1.1", "Host: x"])).toBe("HTTP/1.1 200 OK");
    await vi.waitFor(() => expect(service.bridge.feed.status().subscribers).toBe(0), DEADLINE);
  });
});

describe("an offer to speak something else", () => {
  it.each(["h2c", "websocket"])("(%s) on a request for a decision is ignored", async (protocol) => {
    const socket = connectSocket(service.server.port, "127.0.0.1");
    const body = '{"input":{"user":"alice"}}';
    const head = [
      "POST /v1/data/basic/allow HTTP/1.1",
      "Host: x",
      "Connection: Upgrade, HTTP2-Settings",
      `Upgrade: ${protocol}`,
      "HTTP2-Settings: AAMAAABkAAQAAP__",
      `Content-Length: ${body.length}`,
    ];
    let received = "";
    socket.on("data", (data) => (received += data.toString("utf8")));
    socket.write(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 5)}`);
    socket.write(body.slice(5));
    await vi.waitFor(() => expect(received).toContain('{"result":true}'), DEADLINE);
    // The connection goes on as an ordinary one.
    socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    await vi.waitFor(() => expect(received.match(/HTTP\/1\.1 200/g)).toHaveLength(2), DEADLINE);
    socket.destroy();
  });
});

describe("a service that stops", () => {
  it("tells its subscribers, with the cursor to go on from, and does not wait for them", async () => {
    const stopping = await startService(BASIC, { server_url: nats.url, root_bucket: "root" });
    using events = await readEvents(`${stopping.url}/v1/feed?snapshot=true`);
    using messages = await readSocket(`${stopping.url}/v1/feed?snapshot=true`);
    for (const { client } of [events, messages]) {
      await vi.waitFor(() => expect(client.types).toContain("complete"), DEADLINE);
    }
    const { cursor } = stopping.bridge.feed.status();
    const started = performance.now();
    await stopping[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(4_000);
    await Promise.all([events.closed, messages.closed]);
    expect([events.client.end, messages.client.end]).toMatchObject([
      { reason: "stopping", cursor },
      { reason: "stopping", cursor },
    ]);
  });
});
