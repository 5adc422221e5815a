import { request } from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { sharedService } from "./fixture.ts";
import { API, type Service } from "./service.ts";

const shared = sharedService(API, {
  buckets: { team: { "members.alice": '{"id": 9007199254740993}' } },
});
let service: Service;
beforeAll(async () => {
  ({ service } = shared);
  await service.bridge.manager.getOrCreateWatcher("team");
});

describe("POST /v0/data/<path>", () => {
  it("takes the body as the input and answers with the bare result", async () => {
    const echo = await service.post("/v0/data/api/echo", '{"n": 9007199254740993}');
    expect([echo.status, echo.text]).toEqual([200, '{"n":9007199254740993}']);
    expect((await service.post("/v0/data/api/allow", '{"user":"alice"}')).text).toBe("true");
    expect((await service.post("/v0/data/api/allow", "5")).text).toBe("false");
    expect((await service.post("/v0/data/api/echo", "")).text).toBe("null");
  });

  it("is 404 where the document is undefined, and 405 for any other method", async () => {
    const missing = await service.post("/v0/data/api/nothing", "{}");
    expect([missing.status, missing.body]).toEqual([
      404,
      { code: "undefined_document", message: "document missing: data.api.nothing" },
    ]);
    const get = await service.get("/v0/data/api/allow");
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

describe("POST /", () => {
  it("answers with the default decision", async () => {
    const made = await service.post("/", '{"user":"bob"}');
    expect([made.status, made.text]).toEqual([200, '{"input":{"user":"bob"}}']);
    const none = await service.post("/", '{"undefined":true}');
    expect([none.status, none.body]).toMatchObject([404, { code: "undefined_document" }]);
    expect((await service.get("/")).status).toBe(405);
  });
});

describe("POST /v1/batch/data/<path>", () => {
  const batch = (path: string, body: unknown) =>
    service.post(`/v1/batch/data/${path}`, JSON.stringify(body));

  it("makes a decision for each input, over the common one", async () => {
    const made = await service.post(
      "/v1/batch/data/api/echo",
      '{"inputs": {"a": {"x": {"one": 1}}, "__proto__": {"x": 9007199254740993}, "c": 3}, "common_input": {"x": {"two": 2}, "y": true}}',
    );
    // The order of an object's fields means nothing; each digit of a number does.
    const exact = (text: string): unknown =>
      JSON.parse(text.replaceAll("9007199254740993", '"9007199254740993"'));
    expect([made.status, exact(made.text)]).toEqual([
      200,
      exact(
        '{"responses":{"a":{"result":{"y":true,"x":{"two":2,"one":1}}},"__proto__":{"result":{"y":true,"x":9007199254740993}},"c":{"result":3}}}',
      ),
    ]);
    expect((await batch("api/nothing", { inputs: { a: {} } })).text).toBe('{"responses":{"a":{}}}');
    expect((await batch("api/echo", { inputs: {} })).text).toBe('{"responses":{}}');
  });

  it("is 207 when some fail, and 500 when all do", async () => {
    const mixed = await batch("api/conflict", {
      inputs: { ok: { one: 1 }, bad: { one: 1, two: 2 } },
    });
    expect([mixed.status, mixed.body]).toMatchObject([
      207,
      {
        responses: {
          ok: { result: 1, http_status_code: "200" },
          bad: { code: "internal_error", http_status_code: "500" },
        },
      },
    ]);
    const failed = await batch("api/conflict", { inputs: { bad: { one: 1, two: 2 } } });
    expect([failed.status, failed.body]).toMatchObject([
      500,
      { responses: { bad: { code: "internal_error", errors: [{ code: "EVALUATION_FAILED" }] } } },
    ]);
  });

  it.each(["", "null", "[]", "{}", '{"inputs": []}', '{"inputs": null}', '{"input": {}}'])(
    "is refused without a map of inputs: %s",
    async (body) => {
      const reply = await service.post("/v1/batch/data/api/echo", body);
      expect([reply.status, reply.body]).toMatchObject([400, { code: "invalid_parameter" }]);
    },
  );

  it("is refused when the common input would make it many times as large as a body may be", async () => {
    const inputs = Object.fromEntries(Array.from({ length: 2_000 }, (_, id) => [id, {}]));
    const reply = await batch("api/echo", { inputs, common_input: { text: "x".repeat(100_000) } });
    expect(reply.status).toBe(413);
  });
});

describe("what a request may ask for beside the result", () => {
  it("metrics, and more of them with instrument", async () => {
    const { body } = await service.get("/v1/data/api/allow?metrics");
    expect(Object.keys((body as { metrics: object }).metrics).toSorted()).toEqual([
      "counter_server_query_cache_hit",
      "timer_rego_external_resolve_ns",
      "timer_rego_input_parse_ns",
      "timer_rego_query_eval_ns",
      "timer_server_handler_ns",
    ]);
    expect(
      (body as { metrics: { timer_rego_query_eval_ns: number } }).metrics.timer_rego_query_eval_ns,
    ).toBeGreaterThan(0);
    const more = await service.get("/v1/data/api/allow?instrument=true");
    expect(more.body).toMatchObject({ metrics: { counter_nats_suspensions: 0 } });
    expect((await service.get("/v1/data/api/allow?metrics=false")).text).toBe('{"result":false}');
  });

  it("an explanation, which it can't have", async () => {
    for (const explain of ["full", "notes", "fails", "debug"]) {
      const { status, body } = await service.get(`/v1/data/api/allow?explain=${explain}`);
      expect([status, body]).toMatchObject([
        200,
        { result: false, warning: { code: "api_usage_warning" } },
      ]);
    }
    for (const explain of ["off", "", "bogus"]) {
      const { text } = await service.get(`/v1/data/api/allow?explain=${explain}`);
      expect(text).toBe('{"result":false}');
    }
  });
});

describe("bodies and answers in other forms", () => {
  it.each<[string, string, string]>([
    ["application/yaml", "input:\n  user: alice\n", '{"user":"alice"}'],
    [
      "application/x-yaml; charset=utf-8",
      "input: [9007199254740993, 1.50, ~, yes, 0x10]",
      '[9007199254740993,1.50,null,"yes",16]',
    ],
    ["text/yaml", '{"input": {"a": "b"}}', '{"a":"b"}'],
    ["text/yaml", "input: {1: a, __proto__: b}", '{"1":"a","__proto__":"b"}'],
  ])("reads YAML: %s %s", async (type, body, input) => {
    const reply = await service.post("/v1/data/api/echo", body, { "content-type": type });
    expect(JSON.parse(reply.text)).toEqual(JSON.parse(`{"result":${input}}`));
    expect(reply.text.length).toBe(`{"result":${input}}`.length);
  });

  it.each([
    "input: [",
    "a: &x [*x]",
    "input: &a [1]\nb: *a",
    "? {a: 1}\n: 2",
    "- \t- x: [}",
    "input: .nan",
    `input: ${"[".repeat(20_000)}`,
    "a: b\n---\nc: d",
    "\tinput: 1",
  ])("refuses YAML that it can't use: %.30j", async (body) => {
    const reply = await service.post("/v1/data/api/echo", body, { "content-type": "text/yaml" });
    expect([reply.status, reply.body]).toMatchObject([400, { code: "invalid_parameter" }]);
  });

  it("packs answers that are worth it, for clients that take that", async () => {
    const ask = (
      input: string,
      accept?: string,
    ): Promise<{ encoding: string | undefined; body: Buffer }> =>
      new Promise((resolve, reject) => {
        const asking = request(
          `${service.url}/v0/data/api/echo`,
          { method: "POST", headers: accept === undefined ? {} : { "accept-encoding": accept } },
          (answer) => {
            const chunks: Buffer[] = [];
            answer.on("data", (chunk: Buffer) => chunks.push(chunk));
            answer.on("end", () =>
              resolve({
                encoding: answer.headers["content-encoding"],
                body: Buffer.concat(chunks),
              }),
            );
          },
        );
        asking.on("error", reject);
        asking.end(input);
      });
    const large = JSON.stringify("x".repeat(2_000));
    for (const accept of ["gzip", "br, gzip;q=0.5", "*", "GZIP"]) {
      const { encoding, body } = await ask(large, accept);
      expect([accept, encoding, gunzipSync(body).toString()]).toEqual([accept, "gzip", large]);
    }
    for (const accept of [undefined, "br", "gzip;q=0", "identity", "gzipped"]) {
      const { encoding, body } = await ask(large, accept);
      expect([accept, encoding, body.toString()]).toEqual([accept, undefined, large]);
    }
    expect((await ask('"short"', "gzip")).encoding).toBeUndefined();
  });

  it("reads packed bodies on every route", async () => {
    const packed = gzipSync('{"user":"alice"}');
    const headers = { "content-encoding": "gzip" };
    expect((await service.post("/v0/data/api/allow", packed, headers)).text).toBe("true");
  });
});

describe("what WebAssembly can't do", () => {
  it.each([
    ["GET", "/v1/query?q=data"],
    ["POST", "/v1/query"],
    ["POST", "/v1/compile"],
    ["POST", "/v1/compile/api/allow"],
    ["GET", "/v1/policies"],
    ["PUT", "/v1/policies/a.rego"],
    ["DELETE", "/v1/policies/a/b"],
  ])("is said with 501: %s %s", async (method, path) => {
    const reply = await service.get(path, { method, ...(method !== "GET" && { body: "{}" }) });
    expect([reply.status, reply.body]).toMatchObject([
      501,
      { code: "invalid_operation", errors: [{ code: "NOT_SUPPORTED" }] },
    ]);
  });
});

describe("GET /v1/config", () => {
  it("shows the configuration in effect", async () => {
    const { status, body } = await service.get("/v1/config");
    expect([status, body]).toMatchObject([200, { result: { default_decision: "/system/main" } }]);
  });
});
