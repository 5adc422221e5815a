import { request } from "node:http";
import { connect as connectSocket } from "node:net";
import { gzipSync } from "node:zlib";
import { connect, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { BASIC, type Service, startService } from "./service.ts";

const MAX_BODY = 100_000;

let nats: NatsServer;
let client: NatsConnection;
let service: Service;

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  service = await startService(
    BASIC,
    { server_url: nats.url, missing_bucket_ttl: "0" },
    { maxBodyBytes: MAX_BODY },
  );
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await client.close();
  await nats.stop();
});

// Whatever was sent, the service still answers.
afterEach(async ({ expect }) => {
  expect((await service.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
});

const nested = (levels: number, text = "[]"): string =>
  text[0]!.repeat(levels) + text[1]!.repeat(levels);

describe("a body that can't be used", () => {
  it.each<[string, string | Buffer<ArrayBuffer>, RegExp]>([
    ["text", "input=1", /not JSON/],
    ["a truncated object", '{"input":{"user":"al', /not JSON/],
    ["two values", '{"input":1} {}', /not JSON/],
    ["a comment", '{"input":1 /* one */}', /not JSON/],
    ["NaN", '{"input":NaN}', /not JSON/],
    ["a list", '[{"input":1}]', /not an object; wrap the input/],
    ["text in JSON", '"input"', /not an object/],
    ["a number", "5", /not an object/],
    ["what is not UTF-8", Buffer.from('{"input":"\xff"}', "latin1"), /not UTF-8/],
    ["UTF-16", Buffer.from('{"input":1}', "utf16le"), /not JSON/],
    ["an input nested too deep", `{"input":${nested(257)}}`, /deeper than 256 levels; flatten it/],
    ["an input nested far too deep", `{"input":${nested(40_000)}}`, /deeper than 256/],
  ])("is refused with 400 and OPA's error body: %s", async (_what, body, words) => {
    const reply = await service.post("/v1/data/basic/echo", body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: "invalid_parameter",
      errors: [{ code: "INPUT_INVALID" }],
    });
    expect((reply.body as { message: string }).message).toMatch(words);
  });

  it("may be nested as deep as the limit, no deeper", async () => {
    const reply = await service.post("/v1/data/basic/echo", `{"input":${nested(256)}}`);
    expect(reply.text).toBe(`{"result":${nested(256)}}`);
  });

  it("is refused with 413 when it is too large: announced, in chunks, or packed", async () => {
    const large = `{"input":"${"x".repeat(MAX_BODY)}"}`;
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(large));
        controller.close();
      },
    });
    const replies = [
      await service.post("/v1/data/basic/echo", large),
      await service.get("/v1/data/basic/echo", {
        method: "POST",
        body: chunked,
        duplex: "half",
      } as RequestInit),
      await service.post("/v1/data/basic/echo", gzipSync(Buffer.alloc(2 ** 24, " ")), {
        "content-encoding": "gzip",
      }),
    ];
    for (const { status, body } of replies) {
      expect([status, body]).toEqual([
        413,
        { code: "invalid_parameter", message: "request body too large" },
      ]);
    }
    const largest = `{"input":"${"x".repeat(MAX_BODY - 12)}"}`;
    expect((await service.post("/v1/data/basic/echo", largest)).status).toBe(200);
  });

  it("is refused when it is not what its headers say", async () => {
    const gzip = await service.post("/v1/data/basic/echo", '{"input":1}', {
      "content-encoding": "gzip",
    });
    expect([gzip.status, gzip.body]).toMatchObject([
      400,
      { message: expect.stringMatching(/not gzip/) as string },
    ]);
    const brotli = await service.post("/v1/data/basic/echo", "x", { "content-encoding": "br" });
    expect([brotli.status, brotli.body]).toMatchObject([
      415,
      { message: expect.stringMatching(/"br" is not supported; send gzip/) as string },
    ]);
    const type = await service.post("/v1/data/basic/echo", "{}", { "content-type": "nonsense" });
    expect([type.status, type.body]).toMatchObject([415, { code: "invalid_parameter" }]);
  });
});

describe("a path that can't be used", () => {
  it.each(["/v1/data/%zz", "/v1/data/basic/%", "/v1/data/%ff", "/v1/data/nats/kv/%c3%28", "/%zz"])(
    "is refused with 400: %s",
    async (path) => {
      for (const method of ["GET", "POST"]) {
        const reply = await service.get(path, { method });
        expect([reply.status, reply.body]).toMatchObject([400, { code: "invalid_parameter" }]);
      }
    },
  );

  it.each([
    "unknown/path",
    "basic",
    "basic/none",
    "__proto__",
    "constructor/name",
    "basic/echo/__proto__",
    "basic/__proto__",
    "nats/kv/__proto__",
    "nats/kv/constructor/prototype",
    "%00",
    "toString",
    "basic/echo/length",
    "x".repeat(8_000),
  ])("is undefined: %.60s", async (path) => {
    const reply = await service.decide(path, {});
    expect([reply.status, reply.text]).toEqual([200, "{}"]);
  });
});

describe("names that mean something to JavaScript", () => {
  it("are ordinary names in an input", async () => {
    const input = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
    const reply = await service.post(
      "/v1/data/basic/echo",
      `{"__proto__":{"input":0},"input":${input}}`,
    );
    expect(reply.status).toBe(200);
    const { result } = JSON.parse(reply.text) as { result: object };
    expect(Object.keys(result).toSorted()).toEqual(["__proto__", "constructor"]);
    expect(
      (await service.post("/v1/data/basic/echo/__proto__/polluted", `{"input":${input}}`)).text,
    ).toBe('{"result":1}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe("texts that Unicode has no place for", () => {
  it("become the replacement character, as in OPA", async () => {
    const reply = await service.post(
      "/v1/data/basic/echo",
      String.raw`{"input":["\ud800","a\udc00b","\ud83d\ude00","\\ud800","\u0000",{"\udfff":1}]}`,
    );
    expect([reply.status, reply.body]).toEqual([
      200,
      { result: ["\ufffd", "a\ufffdb", "\u{1f600}", "\\ud800", "\0", { "\ufffd": 1 }] },
    ]);
  });
});

describe("W7 a bucket that can't be one", () => {
  const long = "b".repeat(10_000);
  it.each([
    "*",
    ">",
    "../",
    "",
    " ",
    "a.b",
    "a b",
    "KV_a/b",
    "\0",
    "\u{1f600}",
    "__proto__",
    "constructor",
    long,
  ])("is false for watch_bucket and null for get_data: %.30j", async (bucket) => {
    for (let time = 0; time < 3; time++) {
      const watched = await service.decide("basic/watched", { bucket });
      expect([watched.status, watched.text]).toEqual([200, '{"result":false}']);
      const value = await service.decide("basic/value", { bucket, key: "a" });
      expect([value.status, value.text]).toEqual([200, '{"result":null}']);
    }
  });

  it("leaves nothing behind, and creates no bucket", async () => {
    await service.decide("basic/value", { bucket: "not-there", key: "a" });
    expect(service.bridge.status().watch).toMatchObject({ buckets: [], watchers: 0 });
    const manager = await client.jetstreamManager();
    expect((await manager.getAccountInfo()).streams).toBe(0);
  });

  it.each([5, null, true, ["b"], { b: 1 }])(
    "is undefined when it is no text: %j",
    async (bucket) => {
      for (const path of ["basic/watched", "basic/value", "basic/status", "basic/bucket"]) {
        const reply = await service.decide(path, { bucket, key: "a" });
        expect([reply.status, reply.text]).toEqual([200, "{}"]);
      }
    },
  );

  it.each(["*", "?", "#", "@this", "a|b", "a.*", "a..b", ".", "", "..", "\0", "a.1", long])(
    "N67 is null for a key that is a query, or none: %.30j",
    async (key) => {
      const kv = await client.jetstream().views.kv("keys");
      await kv.put("a.b", '["x"]');
      const reply = await service.decide("basic/value", { bucket: "keys", key });
      expect([reply.status, reply.text]).toEqual([200, '{"result":null}']);
      await kv.destroy();
      await service.bridge.manager.evict("keys");
    },
  );
});

describe("values in NATS that are not JSON", () => {
  it("S5 N44 N47 N69 are strings, or base64 where they are not UTF-8; whatever the key, and however large", async () => {
    const kv = await client.jetstream().views.kv("odd");
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    const megabyte = "m".repeat(1_000_000);
    const cases: [key: string, stored: Uint8Array, shown: unknown][] = [
      ["text", encode("hello, world"), "hello, world"],
      ["almost", encode('{"a":1'), '{"a":1'],
      ["empty", encode(""), ""],
      ["space", encode("  "), "  "],
      ["null", encode("null"), null],
      ["zero", encode("0"), 0],
      ["bytes", Uint8Array.of(0xff, 0x00, 0xfe), "/wD+"],
      ["controls", encode('"\u0000\n'), '"\u0000\n'],
      ["surrogate", encode('"\\ud800"'), "\ufffd"],
      ["megabyte", encode(megabyte), megabyte],
      ["deep", encode(nested(400)), undefined],
      ["__proto__", encode("1"), 1],
      ["constructor.prototype", encode("2"), 2],
      ["a/b=c_d-e", encode("3"), 3],
      ["users.123456789", encode("4"), 4],
      ["0", encode("5"), 5],
    ];
    for (const [key, stored] of cases) await kv.put(key, stored);
    // Other tools publish what the client would refuse as a key.
    client.publish("$KV.odd.\u00e9:x@y", encode("6"));
    await client.flush();
    const all: typeof cases = [...cases, ["\u00e9:x@y", encode("6"), 6]];
    await service.bridge.manager.getOrCreateWatcher("odd");
    for (const [key, , shown] of all) {
      const path = key.split(".").map(encodeURIComponent).join("/");
      const direct = await service.get(`/v1/data/nats/kv/odd/${path}`);
      expect([key, direct.status, direct.body]).toEqual([
        key,
        200,
        shown === undefined ? {} : { result: shown },
      ]);
      const asked = await service.decide("basic/value", { bucket: "odd", key });
      expect([key, asked.body]).toEqual([key, { result: shown ?? null }]);
    }
    const policy = await service.decide("basic/bucket", { bucket: "odd" });
    expect(policy.status).toBe(200);
    expect((policy.body as { result: object }).result).toMatchObject({
      bytes: "/wD+",
      megabyte,
      users: { 123456789: 4 },
    });
  });
});

describe("what is not HTTP", () => {
  function send(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connectSocket(service.server.port, "127.0.0.1", () => socket.write(bytes));
      socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
      socket.on("close", () => resolve(answer));
      socket.on("error", reject);
    });
  }

  it("is refused with 400 and the connection is closed", async () => {
    const answer = await send("\x16\x03\x01 hello\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"code":"invalid_parameter","message":"bad request"\}$/);
  });

  it("is refused with 431 when its headers are too large", async () => {
    const answer = await send(`GET /v1/data/${"x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*\r\n/);
    expect(answer).toMatch(/"code":"invalid_parameter"/);
  });

  it("is no trouble when the client goes away in the middle of its body", async () => {
    const gone = new Promise((resolve) => {
      const { port } = service.server;
      const headers = { "content-length": "1000" };
      const asking = request({ port, method: "POST", path: "/v1/data/basic/echo", headers });
      asking.on("error", resolve);
      asking.write('{"input":', () => asking.destroy(new Error("gone")));
    });
    expect(await gone).toMatchObject({ message: "gone" });
    expect((await service.get("/health")).status).toBe(200);
  });
});
