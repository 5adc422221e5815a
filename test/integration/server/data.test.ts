import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sharedService } from "./fixture.ts";
import { BASIC } from "./service.ts";

const shared = sharedService(BASIC);

const WARNING = {
  code: "api_usage_warning",
  message: "'input' key missing from the request",
};

describe("POST /v1/data/<path>", () => {
  it("answers with the result, and without one where the decision is undefined", async () => {
    const yes = await shared.service.decide("basic/allow", { user: "alice" });
    expect([yes.status, yes.text]).toEqual([200, '{"result":true}']);
    expect(yes.headers.get("content-type")).toMatch(/^application\/json/);
    const none = await shared.service.decide("basic/bucket", { bucket: "no-such-bucket" });
    expect([none.status, none.text]).toEqual([200, "{}"]);
  });

  it.each(["", "{}", "null", '{"inputs": 1}', ' {"a": {"input": 1}} '])(
    "warns of a body without input: %j",
    async (body) => {
      const reply = await shared.service.post("/v1/data/basic/echo", body);
      expect([reply.status, reply.body]).toEqual([200, { warning: WARNING }]);
    },
  );

  it("warns of no body at all", async () => {
    const reply = await shared.service.get("/v1/data/basic/echo", { method: "POST" });
    expect([reply.status, reply.body]).toEqual([200, { warning: WARNING }]);
  });

  it.each(["application/json", "text/plain", "application/x-www-form-urlencoded"])(
    "reads JSON whatever the content type says: %s",
    async (type) => {
      const reply = await shared.service.post("/v1/data/basic/echo", '{"input":1}', {
        "content-type": type,
      });
      expect([reply.status, reply.text]).toEqual([200, '{"result":1}']);
    },
  );

  it("reads a body that is packed with gzip", async () => {
    const reply = await shared.service.post("/v1/data/basic/echo", gzipSync('{"input":[1]}'), {
      "content-encoding": "gzip",
    });
    expect([reply.status, reply.text]).toEqual([200, '{"result":[1]}']);
  });

  it("lets the last of equal fields count, as OPA does", async () => {
    const reply = await shared.service.post("/v1/data/basic/echo", '{"input":1,"input":2}');
    expect(reply.text).toBe('{"result":2}');
  });
});

describe("falsy inputs", () => {
  it.each(["false", "0", '""', "null", "[]", "{}"])(
    "reach the policy as they are: %s",
    async (input) => {
      const posted = await shared.service.post("/v1/data/basic/echo", `{"input": ${input}}`);
      expect([posted.status, posted.text]).toEqual([200, `{"result":${input}}`]);
      const got = await shared.service.get(
        `/v1/data/basic/echo?input=${encodeURIComponent(input)}`,
      );
      expect([got.status, got.text]).toEqual([200, `{"result":${input}}`]);
    },
  );
});

describe("GET /v1/data/<path>", () => {
  it("takes the input from the URL, the last one of several, or none", async () => {
    const input = encodeURIComponent('{"user":"alice"}');
    expect((await shared.service.get(`/v1/data/basic/allow?input=${input}`)).text).toBe(
      '{"result":true}',
    );
    expect((await shared.service.get("/v1/data/basic/echo?input=1&input=2")).text).toBe(
      '{"result":2}',
    );
    // Without input there is no echo, and no warning either.
    expect((await shared.service.get("/v1/data/basic/echo")).text).toBe("{}");
  });

  it.each(["", "{", "%7B%22a%22", "undefined", "NaN"])("refuses ?input=%s", async (input) => {
    const reply = await shared.service.get(`/v1/data/basic/echo?input=${input}`);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: "invalid_parameter",
      message: expect.stringMatching(/parameter input is not JSON/) as string,
    });
  });
});

describe("paths", () => {
  it.each([
    ["a trailing slash", "/v1/data/basic/echo/?input=7"],
    ["doubled slashes", "/v1/data//basic///echo?input=7"],
    ["percent-encoded letters", "/v1/data/b%61sic/%65cho?input=7"],
  ])("mean the same with %s", async (_what, path) => {
    expect((await shared.service.get(path)).text).toBe('{"result":7}');
  });

  it("below an entrypoint are answered from the longest entrypoint above them", async () => {
    const input = { a: { "b/c": [{ d: 1 }] } };
    expect((await shared.service.decide("basic/echo/a/b%2Fc/0", input)).text).toBe(
      '{"result":{"d":1}}',
    );
    expect((await shared.service.decide("basic/echo/a/b/c", input)).text).toBe("{}");
  });
});

describe("?pretty", () => {
  it("indents without touching strings or numbers", async () => {
    const input = '[[ {}, [ ] , {"s":"a\\"{,: \\\\"}],9007199254740993]';
    const reply = await shared.service.post("/v1/data/basic/echo?pretty", `{"input":${input}}`);
    expect(reply.body).toEqual({ result: JSON.parse(input) as unknown });
    expect(reply.text).toBe(
      [
        "{",
        '  "result": [',
        "    [",
        "      {},",
        "      [],",
        "      {",
        '        "s": "a\\"{,: \\\\"',
        "      }",
        "    ],",
        "    9007199254740993",
        "  ]",
        "}",
      ].join("\n"),
    );
  });

  it("is off for anything but true and nothing, as in OPA", async () => {
    for (const [parameter, lines] of [
      ["pretty", 3],
      ["pretty=true", 3],
      ["pretty=TRUE", 3],
      ["pretty=false", 1],
      ["pretty=1", 1],
    ] as const) {
      const { text } = await shared.service.get(`/v1/data/basic/echo?input=1&${parameter}`);
      expect(text.split("\n")).toHaveLength(lines);
    }
  });
});

describe("?strict-builtin-errors", () => {
  it("P3 turns a builtin's failure from undefined into an error", async () => {
    const body = '{"input":{"bucket":5}}';
    expect((await shared.service.post("/v1/data/basic/watched", body)).text).toBe("{}");
    const strict = await shared.service.post("/v1/data/basic/watched?strict-builtin-errors", body);
    expect(strict.status).toBe(500);
    expect(strict.body).toEqual({
      code: "internal_error",
      message: "error(s) occurred while evaluating query",
      errors: [
        {
          code: "EVALUATION_FAILED",
          message: "nats.kv.watch_bucket: A string is expected, not 5.",
        },
      ],
    });
  });
});

describe("what is not there", () => {
  it.each(["PUT", "PATCH", "DELETE", "OPTIONS"])(
    "is 405 for %s on data, in OPA's shape",
    async (method) => {
      for (const path of ["/v1/data", "/v1/data/", "/v1/data/basic/allow?x=1"]) {
        const reply = await shared.service.get(path, { method });
        expect([reply.status, reply.headers.get("allow")]).toEqual([405, "GET, POST"]);
        expect(reply.body).toEqual({
          code: "invalid_parameter",
          message: `method ${method} is not allowed here`,
        });
      }
    },
  );

  it("is 405 for HEAD on data, and for POST on what can only be read", async () => {
    const head = await shared.service.get("/v1/data/basic/allow", { method: "HEAD" });
    expect([head.status, head.text]).toEqual([405, ""]);
    const health = await shared.service.get("/health/", { method: "POST" });
    expect([health.status, health.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it.each(["/v1", "/v1/dat", "/v1/database", "/v1/batch", "/v2/data/x"])(
    "is 404 for %s, in OPA's shape",
    async (path) => {
      const reply = await shared.service.get(path, { method: "POST", body: "{}" });
      expect(reply.status).toBe(404);
      expect(reply.body).toEqual({
        code: "resource_not_found",
        message: `there is no "${path}"; decisions are at /v1/data/<path>`,
      });
    },
  );
});
