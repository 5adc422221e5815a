import { gzipSync } from "node:zlib";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BaseData } from "../../../src/policy/base-data.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { BASIC, GROUPS, type Service, startService } from "./service.ts";

let nats: NatsServer;
let client: NatsConnection;
let service: Service;

async function put(bucket: string, entries: Readonly<Record<string, string>>): Promise<void> {
  const kv = await client.jetstream().views.kv(bucket);
  for (const [key, value] of Object.entries(entries)) await kv.put(key, value);
}

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  await put("root", { groups: '{"a": 9007199254740993}', "users.bob": '{"roles":["dev","ops"]}' });
  await put("team", {
    "members.alice": '{"since":  12345678901234567890, "tags": [ "x", {"y":1.50} ]}',
    "members.bob": "42",
    nothing: "null",
    "path/with=odd-_keys": "true",
  });
  service = await startService(BASIC, { server_url: nats.url, root_bucket: "root" });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await client.close();
  await nats.stop();
});

const WARNING = {
  code: "api_usage_warning",
  message: "'input' key missing from the request",
};

describe("POST /v1/data/<path>", () => {
  it("answers with the result, and without one where the decision is undefined", async () => {
    const yes = await service.decide("basic/allow", { user: "alice" });
    expect([yes.status, yes.text]).toEqual([200, '{"result":true}']);
    expect(yes.headers.get("content-type")).toMatch(/^application\/json/);
    const none = await service.decide("basic/bucket", { bucket: "no-such-bucket" });
    expect([none.status, none.text]).toEqual([200, "{}"]);
  });

  it.each(["", "{}", "null", '{"inputs": 1}', ' {"a": {"input": 1}} '])(
    "warns of a body without input: %j",
    async (body) => {
      const reply = await service.post("/v1/data/basic/echo", body);
      expect([reply.status, reply.body]).toEqual([200, { warning: WARNING }]);
    },
  );

  it("warns of no body at all", async () => {
    const reply = await service.get("/v1/data/basic/echo", { method: "POST" });
    expect([reply.status, reply.body]).toEqual([200, { warning: WARNING }]);
  });

  it.each(["application/json", "text/plain", "application/x-www-form-urlencoded"])(
    "reads JSON whatever the content type says: %s",
    async (type) => {
      const reply = await service.post("/v1/data/basic/echo", '{"input":1}', {
        "content-type": type,
      });
      expect([reply.status, reply.text]).toEqual([200, '{"result":1}']);
    },
  );

  it("reads a body that is packed with gzip", async () => {
    const reply = await service.post("/v1/data/basic/echo", gzipSync('{"input":[1]}'), {
      "content-encoding": "gzip",
    });
    expect([reply.status, reply.text]).toEqual([200, '{"result":[1]}']);
  });

  it("lets the last of equal fields count, as OPA does", async () => {
    const reply = await service.post("/v1/data/basic/echo", '{"input":1,"input":2}');
    expect(reply.text).toBe('{"result":2}');
  });
});

describe("falsy inputs", () => {
  it.each(["false", "0", '""', "null", "[]", "{}"])(
    "reach the policy as they are: %s",
    async (input) => {
      const posted = await service.post("/v1/data/basic/echo", `{"input": ${input}}`);
      expect([posted.status, posted.text]).toEqual([200, `{"result":${input}}`]);
      const got = await service.get(`/v1/data/basic/echo?input=${encodeURIComponent(input)}`);
      expect([got.status, got.text]).toEqual([200, `{"result":${input}}`]);
    },
  );
});

describe("GET /v1/data/<path>", () => {
  it("takes the input from the URL, the last one of several, or none", async () => {
    const input = encodeURIComponent('{"user":"alice"}');
    expect((await service.get(`/v1/data/basic/allow?input=${input}`)).text).toBe('{"result":true}');
    expect((await service.get("/v1/data/basic/echo?input=1&input=2")).text).toBe('{"result":2}');
    // Without input there is no echo, and no warning either.
    expect((await service.get("/v1/data/basic/echo")).text).toBe("{}");
  });

  it.each(["", "{", "%7B%22a%22", "undefined", "NaN"])("refuses ?input=%s", async (input) => {
    const reply = await service.get(`/v1/data/basic/echo?input=${input}`);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: "invalid_parameter",
      message: expect.stringMatching(/parameter input is not JSON/) as string,
    });
  });
});

describe("numbers", () => {
  it.each(["9007199254740993", "-9007199254740993", "12345678901234567890", "0.1", "1e400"])(
    "come out digit for digit: %s",
    async (number) => {
      const reply = await service.post("/v1/data/basic/echo", `{"input":{"n":${number}}}`);
      expect(reply.text).toBe(`{"result":{"n":${number}}}`);
    },
  );

  it("N46 of NATS values come out digit for digit, from policies and as base documents", async () => {
    expect((await service.get("/v1/data/basic/root")).text).toBe(
      '{"result":{"a":9007199254740993}}',
    );
    expect((await service.get("/v1/data/groups/a")).text).toBe('{"result":9007199254740993}');
    const key = { bucket: "team", key: "members.alice.since" };
    expect((await service.decide("basic/value", key)).text).toBe('{"result":12345678901234567890}');
  });
});

describe("base documents", () => {
  beforeAll(async () => {
    await service.bridge.manager.getOrCreateWatcher("team");
  });

  it("S5 are exactly what is stored", async () => {
    const alice = await service.get("/v1/data/nats/kv/team/members/alice");
    expect(alice.text).toBe(
      '{"result":{"since":  12345678901234567890, "tags": [ "x", {"y":1.50} ]}}',
    );
    expect((await service.get("/v1/data/nats/kv/team/members/bob")).text).toBe('{"result":42}');
    expect((await service.get("/v1/data/nats/kv/team/nothing")).text).toBe('{"result":null}');
  });

  it("are followed into objects and arrays", async () => {
    const path = "/v1/data/nats/kv/team/members/alice/tags";
    expect((await service.get(`${path}/1/y`)).text).toBe('{"result":1.50}');
    expect((await service.get("/v1/data/users/bob/roles/0")).text).toBe('{"result":"dev"}');
    for (const none of ["2", "-1", "01", "x", "length", "0/0"]) {
      expect((await service.get(`${path}/${none}`)).text).toBe("{}");
    }
  });

  it("keep a slash in a key apart from the slashes of the path", async () => {
    const found = await service.get("/v1/data/nats/kv/team/path%2Fwith%3Dodd-_keys");
    expect(found.text).toBe('{"result":true}');
    expect((await service.get("/v1/data/nats/kv/team/path/with=odd-_keys")).text).toBe("{}");
  });

  it("are undefined for a bucket that nobody watches, and for the root bucket's second name", async () => {
    for (const path of [
      "nats/kv/other",
      "nats/kv/root",
      "nats/kv/team/none",
      "nats/none",
      "none",
    ]) {
      const reply = await service.get(`/v1/data/${path}`);
      expect([reply.status, reply.text]).toEqual([200, "{}"]);
    }
  });

  it("are all there at the top", async () => {
    const { body } = await service.get("/v1/data");
    expect(body).toMatchObject({
      result: {
        groups: {},
        users: { bob: { roles: ["dev", "ops"] } },
        nats: { kv: { team: { nothing: null } } },
      },
    });
  });
});

describe("paths", () => {
  it.each([
    ["a trailing slash", "/v1/data/basic/echo/?input=7"],
    ["doubled slashes", "/v1/data//basic///echo?input=7"],
    ["percent-encoded letters", "/v1/data/b%61sic/%65cho?input=7"],
  ])("mean the same with %s", async (_what, path) => {
    expect((await service.get(path)).text).toBe('{"result":7}');
  });

  it("below an entrypoint are answered from the longest entrypoint above them", async () => {
    const input = { a: { "b/c": [{ d: 1 }] } };
    expect((await service.decide("basic/echo/a/b%2Fc/0", input)).text).toBe('{"result":{"d":1}}');
    expect((await service.decide("basic/echo/a/b/c", input)).text).toBe("{}");
  });
});

describe("?pretty", () => {
  it("indents without touching strings or numbers", async () => {
    const input = '[[ {}, [ ] , {"s":"a\\"{,: \\\\"}],9007199254740993]';
    const reply = await service.post("/v1/data/basic/echo?pretty", `{"input":${input}}`);
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
      const { text } = await service.get(`/v1/data/basic/echo?input=1&${parameter}`);
      expect(text.split("\n")).toHaveLength(lines);
    }
  });
});

describe("?strict-builtin-errors", () => {
  it("P3 turns a builtin's failure from undefined into an error", async () => {
    const body = '{"input":{"bucket":5}}';
    expect((await service.post("/v1/data/basic/watched", body)).text).toBe("{}");
    const strict = await service.post("/v1/data/basic/watched?strict-builtin-errors", body);
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
        const reply = await service.get(path, { method });
        expect([reply.status, reply.headers.get("allow")]).toEqual([405, "GET, POST"]);
        expect(reply.body).toEqual({
          code: "invalid_parameter",
          message: `method ${method} is not allowed here`,
        });
      }
    },
  );

  it("is 405 for HEAD on data, and for POST on what can only be read", async () => {
    const head = await service.get("/v1/data/basic/allow", { method: "HEAD" });
    expect([head.status, head.text]).toEqual([405, ""]);
    const health = await service.get("/health/", { method: "POST" });
    expect([health.status, health.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it.each(["/v1", "/v1/dat", "/v1/database", "/v1/batch", "/v2/data/x"])(
    "is 404 for %s, in OPA's shape",
    async (path) => {
      const reply = await service.get(path, { method: "POST", body: "{}" });
      expect(reply.status).toBe(404);
      expect(reply.body).toEqual({
        code: "resource_not_found",
        message: `there is no "${path}"; decisions are at /v1/data/<path>`,
      });
    },
  );
});

describe("P5 a new bundle", () => {
  it("that can't be used leaves the old one serving; one that can takes over", async () => {
    await using swapped = await startService(BASIC, { server_url: nats.url });
    const { engine } = swapped.bridge;
    const good = await readBundle(GROUPS);
    const noPolicy = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    for (const bad of [
      { ...good, wasm: noPolicy },
      { ...good, wasm: good.wasm!.subarray(0, 1_000) },
      { ...good, data: await BaseData.parse('{"nats":{}}') },
    ]) {
      await expect(engine.activate(bad)).rejects.toMatchObject({ name: "BridgeError" });
      expect((await swapped.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
      expect(engine.policy?.revisions.get("bundle")).toBe("basic-1");
    }
    await engine.activate(good);
    expect((await swapped.decide("authz/allow", {})).text).toBe('{"result":false}');
    expect((await swapped.decide("basic/allow", { user: "alice" })).text).toBe("{}");
  });
});

describe("a bucket that is first asked for and then watched", () => {
  it("N18 N19 P1 P2 gives the same answer unwatched and, a little later, watched", async () => {
    const group = "550e8400-e29b-41d4-a716-446655440000";
    await put("groups-root", { "roles.admin": '{"inherits":["member"]}', "users.alice": "{}" });
    await put(group, {
      metadata: '{"name":"Payments","active":true}',
      "members.alice": '{"role":"admin"}',
      "permissions.pay":
        '{"resource":"invoice","action":"pay","roles":["member"],"effect":"allow"}',
    });
    await using groups = await startService(GROUPS, {
      server_url: nats.url,
      root_bucket: "groups-root",
    });
    const ask = async (): Promise<Record<string, unknown>> => {
      const { status, body } = await groups.decide("authz/decision", {
        user: "alice",
        group,
        resource: "invoice",
        action: "pay",
      });
      expect(status).toBe(200);
      return (body as { result: Record<string, unknown> }).result;
    };
    const { watched, ...first } = await ask();
    expect(watched).toBe(false);
    expect(first).toEqual({
      allow: true,
      reason: "a permission allows it",
      roles: ["admin", "member"],
    });
    const { watched: later, ...second } = await vi.waitFor(
      async () => {
        const decision = await ask();
        expect(decision["watched"]).toBe(true);
        return decision;
      },
      { timeout: 10_000, interval: 5 },
    );
    expect(later).toBe(true);
    expect(second).toEqual(first);
  });
});
