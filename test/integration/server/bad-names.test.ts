import { afterEach, describe, expect, it } from "vitest";
import { sharedService } from "./fixture.ts";
import { BASIC } from "./service.ts";

const shared = sharedService(BASIC, { nats: { missing_bucket_ttl: "0" } });

// Whatever was sent, the service still answers.
afterEach(async ({ expect }) => {
  expect((await shared.service.decide("basic/allow", { user: "alice" })).text).toBe(
    '{"result":true}',
  );
});

const nested = (levels: number, text = "[]"): string =>
  text[0]!.repeat(levels) + text[1]!.repeat(levels);

describe("names that mean something to JavaScript", () => {
  it("are ordinary names in an input", async () => {
    const input = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
    const reply = await shared.service.post(
      "/v1/data/basic/echo",
      `{"__proto__":{"input":0},"input":${input}}`,
    );
    expect(reply.status).toBe(200);
    const { result } = JSON.parse(reply.text) as { result: object };
    expect(Object.keys(result).toSorted()).toEqual(["__proto__", "constructor"]);
    expect(
      (await shared.service.post("/v1/data/basic/echo/__proto__/polluted", `{"input":${input}}`))
        .text,
    ).toBe('{"result":1}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
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
      const watched = await shared.service.decide("basic/watched", { bucket });
      expect([watched.status, watched.text]).toEqual([200, '{"result":false}']);
      const value = await shared.service.decide("basic/value", { bucket, key: "a" });
      expect([value.status, value.text]).toEqual([200, '{"result":null}']);
    }
  });

  it("leaves nothing behind, and creates no bucket", async () => {
    await shared.service.decide("basic/value", { bucket: "not-there", key: "a" });
    expect(shared.service.bridge.status().watch).toMatchObject({ buckets: [], watchers: 0 });
    const manager = await shared.client.jetstreamManager();
    expect((await manager.getAccountInfo()).streams).toBe(0);
  });

  it.each([5, null, true, ["b"], { b: 1 }])(
    "is undefined when it is no text: %j",
    async (bucket) => {
      for (const path of ["basic/watched", "basic/value", "basic/status", "basic/bucket"]) {
        const reply = await shared.service.decide(path, { bucket, key: "a" });
        expect([reply.status, reply.text]).toEqual([200, "{}"]);
      }
    },
  );

  it.each(["*", "?", "#", "@this", "a|b", "a.*", "a..b", ".", "", "..", "\0", "a.1", long])(
    "N67 is null for a key that is a query, or none: %.30j",
    async (key) => {
      const kv = await shared.client.jetstream().views.kv("keys");
      await kv.put("a.b", '["x"]');
      const reply = await shared.service.decide("basic/value", { bucket: "keys", key });
      expect([reply.status, reply.text]).toEqual([200, '{"result":null}']);
      await kv.destroy();
      await shared.service.bridge.manager.evict("keys");
    },
  );
});

describe("values in NATS that are not JSON", () => {
  it("S5 J25 N44 N47 N69 are strings, or base64 where they are not UTF-8; whatever the key, and however large", async () => {
    const kv = await shared.client.jetstream().views.kv("odd");
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
    shared.client.publish("$KV.odd.\u00e9:x@y", encode("6"));
    await shared.client.flush();
    const all: typeof cases = [...cases, ["\u00e9:x@y", encode("6"), 6]];
    await shared.service.bridge.manager.getOrCreateWatcher("odd");
    for (const [key, , shown] of all) {
      const path = key.split(".").map(encodeURIComponent).join("/");
      const direct = await shared.service.get(`/v1/data/nats/kv/odd/${path}`);
      expect([key, direct.status, direct.body]).toEqual([
        key,
        200,
        shown === undefined ? {} : { result: shown },
      ]);
      const asked = await shared.service.decide("basic/value", { bucket: "odd", key });
      expect([key, asked.body]).toEqual([key, { result: shown ?? null }]);
    }
    const policy = await shared.service.decide("basic/bucket", { bucket: "odd" });
    expect(policy.status).toBe(200);
    expect((policy.body as { result: object }).result).toMatchObject({
      bytes: "/wD+",
      megabyte,
      users: { 123456789: 4 },
    });
  });
});
