import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { metric } from "../server/scrape.ts";
import { failureOf, type Reply, startWriting, type WritingService } from "./write-kit.ts";

const DEADLINE = { timeout: 60_000, interval: 20 };

/** A stream that mirrors a bucket, as a bucket of its own. */
async function mirror(manager: JetStreamManager, name: string, of: object): Promise<void> {
  await manager.streams.add({
    name: `KV_${name}`,
    mirror: of as { name: string },
    max_msgs_per_subject: 1,
    mirror_direct: true,
  });
}

/** The mirror has all that its origin has. */
async function level(manager: JetStreamManager, name: string, revision: number): Promise<void> {
  await vi.waitFor(async () => {
    expect((await manager.streams.info(`KV_${name}`)).state.last_seq).toBe(revision);
  }, DEADLINE);
}

function textOf({ bridge }: WritingService, bucket: string, key: string): string | undefined {
  return bridge.store.text(["nats", "kv", bucket, key]);
}

describe("a bucket that mirrors another of the same server", () => {
  let nats: NatsServer;
  let client: NatsConnection;
  let manager: JetStreamManager;
  let service: WritingService;
  let count = 0;

  beforeAll(async () => {
    nats = await startNatsServer();
    client = await connect({ servers: nats.url });
    manager = await client.jetstreamManager();
    service = await startWriting({ server_url: nats.url }, { enabled: true, buffer: true });
  });

  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    await client.close();
    await nats.stop();
  });

  /** A bucket with `k0` to `k4`, the values their own revisions, and its mirror. */
  async function pair(): Promise<{ origin: string; copy: string }> {
    const [origin, copy] = [`origin${count}`, `copy${count++}`];
    await fill(origin, "first");
    await mirror(manager, copy, { name: `KV_${origin}` });
    await level(manager, copy, 5);
    await service.bridge.manager.getOrCreateWatcher(copy);
    return { origin, copy };
  }

  async function fill(bucket: string, value: string): Promise<void> {
    const kv = await client.jetstream().views.kv(bucket);
    for (let key = 0; key < 5; key++) await kv.put(`k${key}`, JSON.stringify(value));
  }

  async function entryOf(bucket: string, key: string): Promise<string> {
    // Not `kv.get`, which mirrors answer, too.
    const subject = `$KV.${bucket}.${key}`;
    const stored = await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: subject });
    return `${stored.header?.get("KV-Operation") || "PUT"} ${stored.string()} at ${stored.seq}`;
  }

  it("is written where it comes from, and shows that through its own watch", async () => {
    const { origin, copy } = await pair();
    const at = (key: string): string => `nats/kv/${copy}/${key}`;
    expect(await service.ask("PUT", at("k1"), '"put"')).toEqual({
      status: 200,
      body: { revision: 6 },
    });
    const append = '[{"op":"replace","path":"","value":["patched"]}]';
    expect((await service.ask("PATCH", at("k2"), append)).body).toEqual({ revision: 7 });
    expect((await service.ask("DELETE", at("k3"))).body).toEqual({ revision: 8 });
    expect((await service.ask("PUT", at("new"), "9")).body).toEqual({ revision: 9 });
    expect(await entryOf(origin, "k1")).toBe('PUT "put" at 6');
    expect(await entryOf(origin, "k2")).toBe('PUT ["patched"] at 7');
    expect(await entryOf(origin, "k3")).toBe("DEL  at 8");
    expect(await entryOf(origin, "new")).toBe("PUT 9 at 9");
    // A delete marker of the origin's is one of the mirror's too.
    expect((await service.ask("PUT", at("k3"), '"again"')).body).toEqual({ revision: 10 });
    await vi.waitFor(() => expect(textOf(service, copy, "k3")).toBe('"again"'), DEADLINE);
    expect(textOf(service, copy, "k2")).toBe('["patched"]');
    // What somebody else has written to the origin is known here as soon as the mirror has it.
    const revision = await (await client.jetstream().views.kv(origin)).put("k4", '"theirs"');
    (await service.bridge.awaitRevisions(new Map([[copy, revision]])))();
    expect((await service.ask("PUT", at("k4"), '"ours"')).body).toEqual({ revision: revision + 1 });
    expect((await manager.streams.info(`KV_${copy}`)).config.subjects).toBeUndefined();
  });

  it("says so when its origin is gone, and holds up no other bucket", async () => {
    const { origin, copy } = await pair();
    await manager.streams.delete(`KV_${origin}`);
    const reply = await service.ask("PUT", `nats/kv/${copy}/k1`, "1");
    expect(failureOf(reply)).toEqual([404, "resource_not_found", "BUCKET_NOT_FOUND"]);
    expect(reply.body).toMatchObject({
      message: `Bucket "${copy}" is a mirror, and is written where it comes from: There is no KV bucket "${origin}"; create it with: nats kv add ${origin}`,
    });
    expect(textOf(service, copy, "k1")).toBe('"first"');
    const { copy: other } = await pair();
    expect((await service.ask("PUT", `nats/kv/${other}/k1`, "1")).status).toBe(200);
    expect(service.bridge.status().writes).toMatchObject({ waiting: 0, blocked: 0 });
  });

  it.each([
    ["with fewer entries", 1],
    ["with as many entries, at the same revisions", 5],
    ["with more entries, which the mirror goes on to copy", 6],
  ])(
    "O21 is not written once its origin was made anew, %s",
    async (_how, entries) => {
      const { origin, copy } = await pair();
      await manager.streams.delete(`KV_${origin}`);
      const kv = await client.jetstream().views.kv(origin);
      for (let key = 0; key < entries; key++) await kv.put(`k${key}`, '"second"');
      if (entries > 5) await level(manager, copy, entries);
      for (const [method, key, body] of [
        ["PUT", "k0", "1"],
        ["DELETE", "k0", undefined],
        ["PATCH", "k0", '[{"op":"replace","path":"","value":1}]'],
        // A new key would be seen only when the mirror goes on.
        ...(entries < 5 ? ([["PUT", "new", "1"]] as const) : []),
      ] as const) {
        const reply = await service.ask(method, `nats/kv/${copy}/${key}`, body);
        expect(failureOf(reply)).toEqual([403, "unauthorized", "WRITE_NOT_ALLOWED"]);
        expect(reply.body).toMatchObject({
          message: `Bucket "${copy}" is a mirror of "${origin}", and can't be written: that was made anew, and the mirror has entries of before; make it anew too.`,
        });
      }
      expect(await entryOf(origin, "k0")).toBe('PUT "second" at 1');
    },
    120_000,
  );

  it("that mirrors a mirror has its keys, and is not written", async () => {
    const { copy } = await pair();
    await mirror(manager, `${copy}-2`, { name: `KV_${copy}` });
    await level(manager, `${copy}-2`, 5);
    const far = `${copy}-2`;
    const reply = await service.ask("PUT", `nats/kv/${far}/k1`, "1");
    expect(failureOf(reply)).toEqual([403, "unauthorized", "WRITE_NOT_ALLOWED"]);
    expect(JSON.stringify(reply.body)).toContain("that is a mirror too");
    expect(textOf(service, far, "k1")).toBe('"first"');
    // One hop is written, and both see it.
    expect((await service.ask("PUT", `nats/kv/${copy}/k1`, "1")).status).toBe(200);
    await vi.waitFor(() => expect(textOf(service, far, "k1")).toBe("1"), DEADLINE);
  });
});

describe("the user who writes a mirror", () => {
  const READING = ["$JS.API.STREAM.INFO.KV_copy", "$JS.API.CONSUMER.CREATE.KV_copy", "$JS.FC.>"];
  const WRITING = [
    "$KV.team.>",
    "$JS.API.STREAM.INFO.KV_team",
    "$JS.API.STREAM.MSG.GET.KV_team",
    "$JS.API.STREAM.MSG.GET.KV_copy",
  ];
  const user = (name: string, publish: readonly string[]): string =>
    `{ user: ${name}, password: pw, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ["_INBOX.>"] } }`;

  it("needs what README lists, and is told of each right that is missing", async () => {
    await using nats = await startNatsServer({
      config: `authorization { users: [
        { user: admin, password: pw }
        ${user("all", [...READING, ...WRITING])}
        ${WRITING.map((right, index) => user(`no${index}`, [...READING, ...WRITING.filter((other) => other !== right)])).join("\n")}
      ] }`,
    });
    const client = await connect({ servers: nats.url, user: "admin", pass: "pw" });
    await (await client.jetstream().views.kv("team")).put("a", "0");
    const manager = await client.jetstreamManager();
    await mirror(manager, "copy", { name: "KV_team" });
    await level(manager, "copy", 1);
    const write = async (username: string): Promise<Reply> => {
      await using service = await startWriting({ server_url: nats.url, username, password: "pw" });
      return await service.ask("PUT", "nats/kv/copy/a", "1");
    };
    for (const [index, right] of WRITING.entries()) {
      const reply = await write(`no${index}`);
      expect([right, ...failureOf(reply).slice(0, 2)]).toEqual([right, 403, "unauthorized"]);
      // What may not be published is the bucket's keys; of the others the subject is named.
      expect(JSON.stringify(reply.body)).toContain(index === 0 ? '\\"copy\\"' : right);
    }
    expect((await write("all")).body).toEqual({ revision: 2 });
    await client.close();
  }, 60_000);
});

describe("a bucket that mirrors one of another JetStream domain", () => {
  it("is written through the leaf connection; while that is down its writes wait, and no others do", async () => {
    const dir = await mkdtemp(join(tmpdir(), "nats-opa-bridge-"));
    const leafPort = await freePort();
    const store = (name: string): string => JSON.stringify(join(dir, name));
    await using hub = await startNatsServer({
      jetstream: false,
      config: `jetstream { domain: hub, store_dir: ${store("hub")} }
leafnodes { listen: "127.0.0.1:${leafPort}" }`,
    });
    await using way = await startTcpProxy(leafPort);
    await using leaf = await startNatsServer({
      jetstream: false,
      config: `jetstream { domain: leaf, store_dir: ${store("leaf")} }
leafnodes { reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:${way.port}" }] }`,
    });
    const atHub = await connect({ servers: hub.url });
    const atLeaf = await connect({ servers: leaf.url });
    const origin = await atHub.jetstream().views.kv("team");
    for (let key = 0; key < 5; key++) await origin.put(`k${key}`, '"first"');
    const manager = await atLeaf.jetstreamManager();
    await mirror(manager, "copy", { name: "KV_team", external: { api: "$JS.hub.API" } });
    await level(manager, "copy", 5);
    const own = await atLeaf.jetstream().views.kv("own");
    await own.put("a", "0");
    await using service = await startWriting(
      { server_url: leaf.url },
      { enabled: true, buffer: true },
    );
    const reply = await service.ask("PUT", "nats/kv/copy/k1", "1");
    expect([reply.status, reply.body]).toEqual([200, { revision: 6 }]);
    expect((await origin.get("k1"))!.string()).toBe("1");
    await vi.waitFor(() => expect(textOf(service, "copy", "k1")).toBe("1"), DEADLINE);

    way.cut();
    const waiting = await service.ask("PUT", "nats/kv/copy/k1", "2");
    expect(waiting.status).toBe(202);
    expect(
      (await service.ask("PATCH", "nats/kv/copy/k1", '[{"op":"replace","path":"","value":[3]}]'))
        .status,
    ).toBe(202);
    for (let value = 1; value <= 3; value++) {
      expect((await service.ask("PUT", "nats/kv/own/a", String(value))).status).toBe(200);
    }
    expect((await own.get("a"))!.string()).toBe("3");
    await vi.waitFor(() => {
      expect(service.bridge.status().writes).toMatchObject({ waiting: 2, blocked: 1 });
    }, DEADLINE);
    expect(await metric(service.url, "writes_blocked_buckets")).toBe(1);
    way.restore();
    await vi.waitFor(() => {
      expect(service.bridge.status().writes).toMatchObject({
        waiting: 0,
        blocked: 0,
        replayed: 2,
      });
    }, DEADLINE);
    expect((await origin.get("k1"))!.string()).toBe("[3]");
    await vi.waitFor(() => expect(textOf(service, "copy", "k1")).toBe("[3]"), DEADLINE);
    await atHub.close();
    await atLeaf.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }, 300_000);
});
