import { request } from "node:http";
import { connect as connectSocket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { sharedService } from "./fixture.ts";
import { BASIC } from "./service.ts";

const MAX_BODY = 100_000;

const shared = sharedService(BASIC, {
  nats: { missing_bucket_ttl: "0" },
  server: { maxBodyBytes: MAX_BODY },
});

// Whatever was sent, the service still answers.
afterEach(async ({ expect }) => {
  expect((await shared.service.decide("basic/allow", { user: "alice" })).text).toBe(
    '{"result":true}',
  );
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
    const reply = await shared.service.post("/v1/data/basic/echo", body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: "invalid_parameter",
      errors: [{ code: "INPUT_INVALID" }],
    });
    expect((reply.body as { message: string }).message).toMatch(words);
  });

  it("may be nested as deep as the limit, no deeper", async () => {
    const reply = await shared.service.post("/v1/data/basic/echo", `{"input":${nested(256)}}`);
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
      await shared.service.post("/v1/data/basic/echo", large),
      await shared.service.get("/v1/data/basic/echo", {
        method: "POST",
        body: chunked,
        duplex: "half",
      } as RequestInit),
      await shared.service.post("/v1/data/basic/echo", gzipSync(Buffer.alloc(2 ** 24, " ")), {
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
    expect((await shared.service.post("/v1/data/basic/echo", largest)).status).toBe(200);
  });

  it("is refused when it is not what its headers say", async () => {
    const gzip = await shared.service.post("/v1/data/basic/echo", '{"input":1}', {
      "content-encoding": "gzip",
    });
    expect([gzip.status, gzip.body]).toMatchObject([
      400,
      { message: expect.stringMatching(/not gzip/) as string },
    ]);
    const brotli = await shared.service.post("/v1/data/basic/echo", "x", {
      "content-encoding": "br",
    });
    expect([brotli.status, brotli.body]).toMatchObject([
      415,
      { message: expect.stringMatching(/"br" is not supported; send gzip/) as string },
    ]);
    const type = await shared.service.post("/v1/data/basic/echo", "{}", {
      "content-type": "nonsense",
    });
    expect([type.status, type.body]).toMatchObject([415, { code: "invalid_parameter" }]);
  });
});

describe("a path that can't be used", () => {
  it.each(["/v1/data/%zz", "/v1/data/basic/%", "/v1/data/%ff", "/v1/data/nats/kv/%c3%28", "/%zz"])(
    "is refused with 400: %s",
    async (path) => {
      for (const method of ["GET", "POST"]) {
        const reply = await shared.service.get(path, { method });
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
    const reply = await shared.service.decide(path, {});
    expect([reply.status, reply.text]).toEqual([200, "{}"]);
  });
});

describe("texts that Unicode has no place for", () => {
  it("become the replacement character, as in OPA", async () => {
    const reply = await shared.service.post(
      "/v1/data/basic/echo",
      String.raw`{"input":["\ud800","a\udc00b","\ud83d\ude00","\\ud800","\u0000",{"\udfff":1}]}`,
    );
    expect([reply.status, reply.body]).toEqual([
      200,
      { result: ["\ufffd", "a\ufffdb", "\u{1f600}", "\\ud800", "\0", { "\ufffd": 1 }] },
    ]);
  });
});

describe("what is not HTTP", () => {
  function send(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connectSocket(shared.service.server.port, "127.0.0.1", () =>
        socket.write(bytes),
      );
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
      const { port } = shared.service.server;
      const headers = { "content-length": "1000" };
      const asking = request({ port, method: "POST", path: "/v1/data/basic/echo", headers });
      asking.on("error", resolve);
      asking.write('{"input":', () => asking.destroy(new Error("gone")));
    });
    expect(await gone).toMatchObject({ message: "gone" });
    expect((await shared.service.get("/health")).status).toBe(200);
  });
});
