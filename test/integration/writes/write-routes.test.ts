import { type KV, type NatsConnection, connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { API } from "../server/service.ts";
import { failureOf, startWriting, type WritingService } from "./write-kit.ts";

let nats: NatsServer;
let client: NatsConnection;
let team: KV;
let root: KV;
let service: WritingService;

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  const { views } = client.jetstream();
  team = await views.kv("team", { history: 5 });
  root = await views.kv("root");
  await team.put("members.alice", '{"since": 12345678901234567890, "roles": ["dev"]}');
  await team.put("rates.day", "1");
  await root.put("users.bob", "1");
  service = await startWriting(
    { server_url: nats.url, root_bucket: "root", buckets: { deny: ["hidden"] } },
    { enabled: true, buckets: { deny: ["audit*"] } },
  );
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await client.close();
  await nats.stop();
});

const at = (path: string): string => `nats/kv/team/${path}`;

async function textOf(kv: KV, key: string): Promise<string | undefined> {
  const entry = await kv.get(key);
  return entry?.operation === "PUT" ? entry.string() : undefined;
}

describe("PUT, PATCH and DELETE on data", () => {
  it("S5 store what was sent, digit for digit, answer with the revision, and can be read at once", async () => {
    const text = '{"limit": 9007199254740993, "rate": 1.50}';
    const put = await service.ask("PUT", at("limits/eu"), text);
    const entry = await team.get("limits.eu");
    expect(put).toEqual({ status: 200, body: { revision: entry!.revision } });
    expect(entry!.string()).toBe(text);
    expect(service.bridge.store.text(["nats", "kv", "team", "limits", "eu"])).toBe(text);

    const patch =
      '[{"op":"replace","path":"/rate","value":2.50},{"op":"test","path":"/rate","value":2.5}]';
    const patched = await service.ask("PATCH", at("limits/eu"), patch);
    expect(patched).toEqual({ status: 200, body: { revision: entry!.revision + 1 } });
    expect(await textOf(team, "limits.eu")).toBe('{"limit":9007199254740993,"rate":2.50}');

    const gone = await service.ask("DELETE", at("limits/eu"));
    expect(gone).toEqual({ status: 200, body: { revision: entry!.revision + 2 } });
    expect((await team.get("limits.eu"))!.operation).toBe("DEL");
    expect(service.bridge.store.text(["nats", "kv", "team", "limits"])).toBeUndefined();

    const again = await service.ask("PUT", at("limits/eu"), "1");
    expect(again.status).toBe(200);
    expect(await textOf(team, "limits.eu")).toBe("1");
  });

  it("create only with If-None-Match: *, as OPA does", async () => {
    const only = { "if-none-match": "*" };
    expect((await service.ask("PUT", at("once"), "1", only)).status).toBe(200);
    expect(await service.ask("PUT", at("once"), "2", only)).toEqual({
      status: 304,
      body: undefined,
    });
    expect(await textOf(team, "once")).toBe("1");
  });

  it("write the root bucket at the top of data, and nothing that the policy owns", async () => {
    expect((await service.ask("PUT", "users/bob", '{"a":1}')).status).toBe(200);
    expect(await textOf(root, "users.bob")).toBe('{"a":1}');
    for (const path of ["basic/allow", "basic", "nats/x", "system/authz", "nats/kv/root/users"]) {
      const reply = await service.ask("PUT", path, "1");
      expect(failureOf(reply)).toEqual([400, "invalid_parameter", "WRITE_PATH"]);
    }
  });

  it("load a bucket that is not watched first, and say which there is none of", async () => {
    const other = await client.jetstream().views.kv("other");
    expect((await service.ask("PUT", "nats/kv/other/a", "1")).status).toBe(200);
    expect(await textOf(other, "a")).toBe("1");
    const none = await service.ask("PUT", "nats/kv/no-such/a", "1");
    expect(failureOf(none)).toEqual([404, "resource_not_found", "BUCKET_NOT_FOUND"]);
  });

  it.each([
    ["PUT", "nats/kv/team", "1", 400, "WRITE_PATH"],
    ["PUT", "nats/kv", "1", 400, "WRITE_PATH"],
    ["PUT", "", "{}", 400, "WRITE_PATH"],
    ["PUT", at("members"), "{}", 400, "WRITE_PATH"],
    ["DELETE", at("members"), undefined, 400, "WRITE_PATH"],
    ["PUT", at("members/alice/roles"), "[]", 400, "WRITE_PATH"],
    ["PUT", at("a.b"), "1", 400, "WRITE_PATH"],
    ["PUT", at("%3E"), "1", 400, "WRITE_PATH"],
    ["PUT", at("*"), "1", 400, "WRITE_PATH"],
    ["PUT", at("a%20b"), "1", 400, "WRITE_PATH"],
    ["PUT", at("a%0D%0APUB%20x"), "1", 400, "WRITE_PATH"],
    ["PUT", at("%C3%A9"), "1", 400, "WRITE_PATH"],
    ["PUT", at("_kv/x"), "1", 400, "WRITE_PATH"],
    ["PUT", at("k".repeat(3_000)), "1", 400, "WRITE_PATH"],
    ["PUT", at(Array.from({ length: 300 }, () => "a").join("/")), "1", 400, "INPUT_INVALID"],
    ["PUT", "nats/kv/no.bucket/a", "1", 400, "BUCKET_NAME"],
    ["PUT", "nats/kv/__proto__/a", "1", 404, "BUCKET_NOT_FOUND"],
    ["PUT", "nats/kv/hidden/a", "1", 403, "BUCKET_NOT_ALLOWED"],
    ["PUT", "nats/kv/audit-log/a", "1", 403, "WRITE_NOT_ALLOWED"],
    ["PUT", at("x"), undefined, 400, "INPUT_INVALID"],
    ["PUT", at("x"), "{", 400, "INPUT_INVALID"],
    ["PUT", at("x"), "[".repeat(300) + "]".repeat(300), 400, "INPUT_INVALID"],
    ["PUT", at("x"), `"${"x".repeat(2 ** 20)}"`, 413, "WRITE_TOO_LARGE"],
    ["PATCH", at("nothing"), "[]", 404, "KEY_NOT_FOUND"],
    ["DELETE", at("nothing"), undefined, 404, "KEY_NOT_FOUND"],
    ["PATCH", at("members/alice"), "{}", 400, "PATCH_INVALID"],
    ["PATCH", at("rates/day"), '[{"op":"test","path":"","value":2}]', 409, "PATCH_TEST_FAILED"],
  ])(
    "%s is refused for what can't be written, and nothing is written (case %#)",
    async (method, path, body, status, code) => {
      const { last_seq: revision } = (await team.status()).streamInfo.state;
      const reply = await service.ask(method, path, body);
      const [got, , ours] = failureOf(reply);
      expect([got, ours]).toEqual([status, code]);
      expect((await team.status()).streamInfo.state.last_seq).toBe(revision);
    },
  );

  it("take __proto__ and constructor for names like any other", async () => {
    expect((await service.ask("PUT", at("__proto__/constructor"), '{"x":1}')).status).toBe(200);
    expect(await textOf(team, "__proto__.constructor")).toBe('{"x":1}');
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it("let exactly one of two writers win who know the same revision, and tell the other", async () => {
    await using second = await startWriting({ server_url: nats.url });
    await service.ask("PUT", at("race"), "0");
    await second.bridge.manager.getOrCreateWatcher("team");
    for (let round = 1; round <= 20; round++) {
      const before = (await team.get("race"))!.revision;
      const released = await second.bridge.awaitRevisions(new Map([["team", before]]));
      released();
      const replies = await Promise.all([
        service.ask("PUT", at("race"), `"first ${round}"`),
        second.ask("PUT", at("race"), `"second ${round}"`),
      ]);
      const lost = replies.filter(({ status }) => status === 409);
      const [won] = replies.filter(({ status }) => status === 200);
      // One may have heard the other's write before its own was sent; then both are right.
      if (lost.length === 0) continue;
      expect(failureOf(lost[0]!)).toEqual([409, "resource_conflict", "REVISION_CONFLICT"]);
      const { revision } = won!.body as { revision: number };
      expect(lost[0]!.body).toMatchObject({ revision });
      expect((await team.get("race"))!.revision).toBe(revision);
    }
  });

  it("lose no update of many PATCHes at once: each is in, or was told of the conflict", async () => {
    await service.ask("PUT", at("list"), "[]");
    const add = (index: number) => `[{"op":"add","path":"/-","value":${index}}]`;
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => service.ask("PATCH", at("list"), add(index))),
    );
    const stored = replies.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(stored.length).toBeGreaterThan(0);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(20 - stored.length);
    const list = JSON.parse((await textOf(team, "list"))!) as number[];
    expect(list.toSorted((a, b) => a - b)).toEqual(stored);
  });
});

it("C1 O13 O43 a bridge hears its own writes as everybody's: one is seen through the watch only: while that is held up, the store stays as it was", async () => {
  await team.put("held", '"old"');
  const released = deferred();
  await using held = await startWriting({ server_url: nats.url });
  await held.bridge.manager.getOrCreateWatcher("team");
  const { store } = held.bridge;
  const shown = (): string | undefined => store.text(["nats", "kv", "team", "held"]);
  // A transaction that is open keeps the watcher from committing.
  const open = store.transact(() => released.promise);
  const reply = await held.ask("PUT", at("held"), '"new"');
  expect(reply.status).toBe(200);
  expect(await textOf(team, "held")).toBe('"new"');
  expect(shown()).toBe('"old"');
  released.resolve();
  await open;
  const { revision } = reply.body as { revision: number };
  (await held.bridge.awaitRevisions(new Map([["team", revision]])))();
  expect(shown()).toBe('"new"');
});

it("nothing is written unless it is switched on", async () => {
  await using reading = await startWriting({ server_url: nats.url }, {});
  const before = await textOf(team, "rates.day");
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    expect((await reading.ask(method, at("rates/day"), "[]")).status).toBe(405);
  }
  expect(await textOf(team, "rates.day")).toBe(before);
});

it("the authorization policy is asked about writes as about all else", async () => {
  await using guarded = await startWriting(
    { server_url: nats.url },
    { enabled: true },
    { bundle: { file: API }, server: { authorization: "basic" } },
  );
  for (const [method, body] of [
    ["PUT", "7"],
    ["PATCH", '[{"op":"add","path":"","value":7}]'],
    ["DELETE", undefined],
  ] as const) {
    expect((await guarded.ask(method, at("rates/day"), body)).status).toBe(401);
  }
  expect(await textOf(team, "rates.day")).toBe("1");
  const allowed = await guarded.ask("PUT", at("rates/day"), "2", { "x-let-me-in": "please" });
  expect(allowed.status).toBe(200);
});
