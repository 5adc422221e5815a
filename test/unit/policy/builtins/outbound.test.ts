import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readBundle } from "../../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../../src/policy/engine.ts";
import { type OutboundOptions, OutboundRules } from "../../../../src/policy/outbound/rules.ts";
import { PolicyStore } from "../../../../src/store/policy-store.ts";
import { demandOn } from "../demand.ts";

const LOCAL = { allowNet: ["127.0.0.1", "localhost"], allowPrivate: true };

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** What the server was asked. */
let asked: string[];
let handle: Handler;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    asked.push(`${request.method} ${request.url}`);
    handle(request, response, Buffer.concat(chunks).toString());
  });
});

beforeEach(async () => {
  asked = [];
  handle = (_, response) => response.end(`answer ${asked.length}`);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
});

function url(path = "/", host = "127.0.0.1"): string {
  return `http://${host}:${(server.address() as AddressInfo).port}${path}`;
}

async function setUp(outbound: OutboundOptions = LOCAL): Promise<{
  send: (request: object, rule?: string) => Promise<unknown>;
  lookUp: (host: string) => Promise<unknown>;
}> {
  const store = new PolicyStore();
  const engine = new PolicyEngine({
    store,
    demand: demandOn(store),
    queryTimeoutMs: 3_000,
    outbound,
  });
  await engine.activate(await readBundle("test/policies/outbound/bundle.tar.gz"));
  const ask = async (rule: string, input: object): Promise<unknown> => {
    const options = { strictBuiltinErrors: true };
    return JSON.parse((await engine.decide(rule, JSON.stringify(input), options))!);
  };
  return {
    send: (request, rule = "sent") => ask(`outbound/${rule}`, { request }),
    lookUp: (host) => ask("outbound/addresses", { host }),
  };
}

const get = (path?: string, rest: object = {}): object => ({
  method: "get",
  url: url(path),
  ...rest,
});

describe("http.send", () => {
  it("suspends the query, and answers as OPA's", async () => {
    handle = (request, response, body) => {
      response.setHeader("content-type", "application/json; charset=utf-8");
      response.setHeader("X-Asked", [String(request.headers["x-from"]), body]);
      response.end('{"big": 12345678901234567890}');
    };
    const { send } = await setUp();
    const answer = await send(get("/a?b=c", { headers: { "X-From": "me" }, body: { a: [1] } }));
    expect(asked).toEqual(["GET /a?b=c"]);
    expect(answer).toMatchObject({
      status: "200 OK",
      status_code: 200,
      raw_body: '{"big": 12345678901234567890}',
      headers: { "x-asked": ["me", '{"a":[1]}'] },
    });
    expect(answer).toHaveProperty("body.big");
  });

  it("is asked once for each request in a query", async () => {
    const { send } = await setUp();
    expect(await send(get(), "both")).toEqual(["answer 1", "answer 1", "answer 2"]);
    expect(asked).toEqual(["GET /", "POST /"]);
    expect(await send(get(), "both")).toEqual(["answer 3", "answer 3", "answer 4"]);
  });

  it("reads bodies that are JSON or YAML, or are said to be", async () => {
    const { send } = await setUp();
    handle = (_, response) => response.end('{"a": 1}');
    expect(await send(get())).toMatchObject({ body: null });
    expect(await send(get("", { force_json_decode: true }))).toMatchObject({ body: { a: 1 } });
    handle = (_, response) => response.end("a: [1]");
    expect(await send(get("", { force_yaml_decode: true }))).toMatchObject({ body: { a: [1] } });
    expect(await send(get("", { force_json_decode: true }))).toMatchObject({ body: null });
  });

  it("keeps answers for later queries where the server or the policy says so", async () => {
    const { send } = await setUp();
    let age = 'max-age="60"';
    handle = (request, response) => {
      response.setHeader("cache-control", age);
      response.setHeader("etag", '"1"');
      if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end();
      else response.end(`answer ${asked.length}`);
    };
    const body = async (path: string, rest: object): Promise<unknown> =>
      ((await send(get(path, rest))) as { raw_body: unknown }).raw_body;
    const cache = { cache: true };
    expect([await body("/a", cache), await body("/a", cache)]).toEqual(["answer 1", "answer 1"]);
    expect(await body("/a", {})).toBe("answer 2");
    age = "no-store";
    expect([await body("/b", cache), await body("/b", cache)]).toEqual(["answer 3", "answer 4"]);
    const forced = { force_cache: true, force_cache_duration_seconds: 60 };
    expect([await body("/c", forced), await body("/c", forced)]).toEqual(["answer 5", "answer 5"]);
    // Stale, so it is asked whether it still holds.
    age = "max-age=0";
    expect([await body("/d", cache), await body("/d", cache)]).toEqual(["answer 6", "answer 6"]);
    expect(asked.filter((line) => line === "GET /d")).toHaveLength(2);
  });

  it("ends what takes too long, or is too large", async () => {
    const { send } = await setUp();
    handle = () => undefined;
    const quick = { timeout: "50ms" };
    await expect(send(get("/", quick))).rejects.toThrow("request timed out");
    expect(await send(get("/", { ...quick, raise_error: false }))).toMatchObject({
      status_code: 0,
      error: { code: "eval_http_send_network_error" },
    });
    handle = (_, response) => response.end(Buffer.alloc(5 * 2 ** 20, "a"));
    await expect(send(get())).rejects.toThrow("over 4194304 bytes");
  });

  it.each([
    [{ url: "http://127.0.0.1" }, "missing required"],
    [{ method: "get" }, "missing required"],
    [{ method: "get", url: "http://127.0.0.1", other: 1 }, "invalid request parameters"],
    [{ method: "g t", url: "http://127.0.0.1" }, "invalid method"],
    [{ method: "get", url: "file:///etc/passwd" }, "unsupported protocol scheme"],
    [{ method: "get", url: "http://127.0.0.1", headers: { "a\r\nb": "c" } }, "Header name"],
    [{ method: "get", url: "http://127.0.0.1", timeout: "soon" }, "invalid duration"],
    [{ method: "get", url: "http://127.0.0.1", force_cache: true }, "parameter is missing"],
  ])("refuses a request that makes no sense: %j", async (request, message) => {
    const { send } = await setUp();
    await expect(send(request)).rejects.toThrow(message);
    expect(asked).toEqual([]);
  });
});

describe("hosts that policies may reach", () => {
  it("are those of the list only, also by redirects", async () => {
    const { send, lookUp } = await setUp({ allowNet: ["127.0.0.1"], allowPrivate: true });
    await expect(send(get("/", { url: url("/", "localhost") }))).rejects.toThrow(
      "unallowed host: localhost",
    );
    await expect(lookUp("localhost")).rejects.toThrow("unallowed host");
    handle = (_, response) =>
      response.writeHead(302, { location: url("/there", "localhost") }).end();
    expect(await send(get())).toMatchObject({ status_code: 302 });
    await expect(send(get("/", { enable_redirect: true }))).rejects.toThrow(
      "unallowed host: localhost",
    );
    expect(asked).toEqual(["GET /", "GET /"]);
  });

  it("get no credentials that were meant for another", async () => {
    const { send } = await setUp();
    const seen: unknown[] = [];
    handle = (request, response) => {
      seen.push([request.headers.host, request.headers.authorization, request.method]);
      if (request.url === "/") response.writeHead(303, { location: url("/2", "localhost") });
      response.end();
    };
    const request = get("/", { enable_redirect: true, headers: { Authorization: "secret" } });
    await send({ ...request, method: "POST" });
    const port = (server.address() as AddressInfo).port;
    expect(seen).toEqual([
      [`127.0.0.1:${port}`, "secret", "POST"],
      [`localhost:${port}`, undefined, "GET"],
    ]);
  });

  it("are not followed for ever", async () => {
    const { send } = await setUp();
    handle = (_, response) => response.writeHead(307, { location: "/" }).end();
    await expect(send(get("/", { enable_redirect: true }))).rejects.toThrow("10 redirects");
    expect(asked).toHaveLength(11);
  });

  it("have no private address, whatever their name stands for", async () => {
    const { send } = await setUp({ allowNet: LOCAL.allowNet, allowPrivate: false });
    for (const host of ["127.0.0.1", "localhost"]) {
      await expect(send(get("/", { url: url("/", host) }))).rejects.toThrow(
        /unallowed address: (?:127\.0\.0\.1|::1) is private/,
      );
    }
    expect(asked).toEqual([]);
  });

  it.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.31.0.1",
    "192.168.1.1",
    "198.19.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
  ])("count %s as private", (address) => {
    const rules = new OutboundRules({ allowNet: [], allowPrivate: false });
    expect(() => rules.checkAddress(address)).toThrow("is private");
  });

  it.each(["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"])(
    "count %s as public",
    (address) => {
      const rules = new OutboundRules({ allowNet: [], allowPrivate: false });
      expect(() => rules.checkAddress(address)).not.toThrow();
    },
  );

  it("are looked up", async () => {
    const { lookUp } = await setUp();
    expect(await lookUp("127.0.0.1")).toEqual(["127.0.0.1"]);
    expect(await lookUp("localhost")).toContain("127.0.0.1");
  });

  it("are none without a configuration: such a policy is refused", async () => {
    const store = new PolicyStore();
    const engine = new PolicyEngine({ store, demand: demandOn(store), queryTimeoutMs: 1_000 });
    await expect(
      engine.activate(await readBundle("test/policies/outbound/bundle.tar.gz")),
    ).rejects.toMatchObject({
      code: "POLICY_BUILTIN_MISSING",
      message: expect.stringContaining("outbound.allow_net") as string,
    });
  });
});
