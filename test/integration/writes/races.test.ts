import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { failureOf, type Reply, startWriting, type WritingService } from "./write-kit.ts";

/** A service whose bytes to and from NATS can be held up. */
interface Writer {
  readonly proxy: TcpProxy;
  readonly service: WritingService;
}

let nats: NatsServer;
let client: NatsConnection;
let kv: KV;
let first: Writer;
let second: Writer;
let keys = 0;

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  kv = await client.jetstream().views.kv("team", { history: 20 });
  [first, second] = [await startWriter(), await startWriter()];
}, 30_000);

beforeEach(async () => {
  for (const writer of [first, second]) await warm(writer);
});

// So that a test that fails holds up no other.
afterEach(() => {
  for (const { proxy } of [first, second]) {
    proxy.fromClients.open();
    proxy.fromServer.open();
  }
});

afterAll(async () => {
  for (const { service, proxy } of [first, second]) {
    await service[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  }
  await client.close();
  await nats.stop();
});

async function startWriter(buffer = false): Promise<Writer> {
  const proxy = await startTcpProxy(nats.port);
  const again = { reconnect_wait: "20ms", reconnect_max_wait: "50ms" };
  const service = await startWriting(
    { server_url: proxy.url, ...again },
    { enabled: true, ...(buffer && { buffer }) },
  );
  await warm({ proxy, service });
  return { proxy, service };
}

/** Has the service know the bucket's stream, so that its next write sends nothing but the entry itself. */
async function warm(writer: Writer): Promise<void> {
  expect((await ask(writer, "PUT", `warm${writer.proxy.port}`, "1")).status).toBe(200);
}

function ask({ service }: Writer, method: string, key: string, body?: string): Promise<Reply> {
  return service.ask(method, `nats/kv/team/${key}`, body);
}

/** Both services have heard of everything up to this revision. */
async function heard(revision: number, writers = [first, second]): Promise<void> {
  for (const { service } of writers) {
    (await service.bridge.awaitRevisions(new Map([["team", revision]])))();
  }
}

async function newest(): Promise<number> {
  return (await kv.status()).streamInfo.state.last_seq;
}

async function valueOf(key: string): Promise<string | undefined> {
  const entry = await kv.get(key);
  return entry?.operation === "PUT" ? entry.string() : undefined;
}

interface Outcome {
  /** Undefined: it has lost. */
  readonly revision: number | undefined;
  /** What the loser is told. */
  readonly current?: unknown;
}

function outcomeOf(reply: Reply): Outcome {
  if (reply.status === 200) return { revision: (reply.body as { revision: number }).revision };
  expect(failureOf(reply)).toEqual([409, "resource_conflict", "REVISION_CONFLICT"]);
  return { revision: undefined, current: (reply.body as { revision?: unknown }).revision };
}

const ORDERS = [
  ["first", "second", "client"],
  ["first", "client", "second"],
  ["second", "first", "client"],
  ["second", "client", "first"],
  ["client", "first", "second"],
  ["client", "second", "first"],
] as const;

type Kind = "put" | "patch and delete" | "create" | "create after a delete";
const KINDS: readonly Kind[] = ["put", "patch and delete", "create", "create after a delete"];

const CASES = KINDS.flatMap((kind) => ORDERS.map((order) => ({ kind, order })));

describe("three writers who know the same revision of a key", () => {
  it.each(CASES)(
    "O21 have one winner, in whatever order NATS takes them: $kind, $order.0 $order.1 $order.2",
    async ({ kind, order }) => {
      const key = `race${keys++}`;
      if (kind !== "create") await kv.put(key, "[0]");
      if (kind === "create after a delete") await kv.delete(key);
      const known = await newest();
      await heard(known);

      // Both have read the revision; neither publish has reached NATS.
      first.proxy.fromClients.shut();
      second.proxy.fromClients.shut();
      const isPatch = kind === "patch and delete";
      const append = '[{"op":"add","path":"/-","value":1}]';
      const replies = {
        first: isPatch ? ask(first, "PATCH", key, append) : ask(first, "PUT", key, '"first"'),
        second: isPatch ? ask(second, "DELETE", key) : ask(second, "PUT", key, '"second"'),
      };
      const values = {
        first: isPatch ? "[0,1]" : '"first"',
        second: isPatch ? undefined : '"second"',
        client: '"client"',
      };
      await first.proxy.fromClients.holds(`$KV.team.${key}`);
      await second.proxy.fromClients.holds(`$KV.team.${key}`);

      const write = {
        first: async () => {
          first.proxy.fromClients.open();
          return outcomeOf(await replies.first);
        },
        second: async () => {
          second.proxy.fromClients.open();
          return outcomeOf(await replies.second);
        },
        client: async (): Promise<Outcome> => {
          try {
            const creates = kind === "create";
            const entry = '"client"';
            return {
              revision: await (creates ? kv.create(key, entry) : kv.update(key, entry, known)),
            };
          } catch (error) {
            if (!String(error).includes("wrong last sequence")) throw error;
            return { revision: undefined };
          }
        },
      };
      const told = { revision: undefined, current: known + 1 };
      const lost = { first: told, second: told, client: { revision: undefined } };
      const [winner, ...losers] = order;
      expect(await write[winner]()).toEqual({ revision: known + 1 });
      for (const loser of losers) {
        expect([loser, await write[loser]()]).toEqual([loser, lost[loser]]);
      }
      expect(await newest()).toBe(known + 1);
      expect(await valueOf(key)).toBe(values[winner]);
    },
  );
});

describe("a write and another one of the same key", () => {
  it("O21 that was heard before: builds on it", async () => {
    const key = `race${keys++}`;
    const revision = await kv.put(key, "[0]");
    await heard(revision);
    const append = (value: number) => `[{"op":"add","path":"/-","value":${value}}]`;
    expect(outcomeOf(await ask(first, "PATCH", key, append(1)))).toEqual({
      revision: revision + 1,
    });
    await heard(revision + 1);
    expect(outcomeOf(await ask(second, "PATCH", key, append(2)))).toEqual({
      revision: revision + 2,
    });
    expect(await valueOf(key)).toBe("[0,1,2]");
  });

  it("O21 that is stored but was not heard: is told of it, and overwrites nothing", async () => {
    const key = `race${keys++}`;
    await heard(await kv.put(key, '"old"'));
    const released = deferred();
    // A transaction that is open keeps the watcher from committing what comes next.
    const open = second.service.bridge.store.transact(() => released.promise);
    try {
      const won = outcomeOf(await ask(first, "PUT", key, '"first"'));
      for (const method of ["PUT", "DELETE"]) {
        const body = method === "PUT" ? '"second"' : undefined;
        expect(outcomeOf(await ask(second, method, key, body))).toEqual({
          revision: undefined,
          current: won.revision,
        });
      }
      expect(await newest()).toBe(won.revision);
      expect(await valueOf(key)).toBe('"first"');
    } finally {
      released.resolve();
      await open;
    }
  });

  it("O21 that comes after it was stored, before its answer: both are stored, in that order", async () => {
    const key = `race${keys++}`;
    const known = await kv.put(key, '"old"');
    await heard(known);
    first.proxy.fromServer.shut();
    const reply = ask(first, "PUT", key, '"first"');
    await vi.waitFor(async () => expect(await newest()).toBe(known + 1), 5_000);
    await heard(known + 1, [second]);
    expect(outcomeOf(await ask(second, "PUT", key, '"second"'))).toEqual({ revision: known + 2 });
    expect(await kv.update(key, '"client"', known + 2)).toBe(known + 3);
    first.proxy.fromServer.open();
    expect(outcomeOf(await reply)).toEqual({ revision: known + 1 });
    expect([await valueOf(key), await newest()]).toEqual(['"client"', known + 3]);
  });

  it("O21 that creates the key where only a delete marker was: the second try, too, is compared", async () => {
    const key = `race${keys++}`;
    await kv.put(key, "0");
    await kv.delete(key);
    const marker = await newest();
    await heard(marker);
    const { fromClients } = first.proxy;
    fromClients.shut();
    const reply = ask(first, "PUT", key, '"first"');
    await fromClients.holds(`$KV.team.${key}`);
    // The first try goes out and meets the marker; the next one, which looks at the stream first, is held up again.
    for (const next of ["STREAM.INFO.KV_team", `$KV.team.${key}`]) {
      fromClients.open();
      fromClients.shut();
      await fromClients.holds(next);
    }
    const won = await kv.update(key, '"client"', marker);
    fromClients.open();
    expect(outcomeOf(await reply)).toEqual({ revision: undefined, current: won });
    expect(await valueOf(key)).toBe('"client"');
  });
});

it("O21 a write whose answer was lost is not stored a second time over what came after it", async () => {
  const writer = await startWriter(true);
  await using proxy = writer.proxy;
  await using service = writer.service;
  const known = await kv.put("unsure", '"old"');
  await heard(known, [writer]);
  proxy.fromServer.shut();
  const reply = ask(writer, "PUT", "unsure", '"mine"');
  await vi.waitFor(async () => expect(await newest()).toBe(known + 1), 5_000);
  expect(await kv.update("unsure", '"newer"', known + 1)).toBe(known + 2);
  // The answer is lost with the connection.
  proxy.cut();
  proxy.fromServer.open();
  expect((await reply).status).toBe(202);
  proxy.restore();
  await vi.waitFor(() => {
    expect(service.bridge.status().writes).toMatchObject({ waiting: 0, dropped: 0 });
  }, 10_000);
  expect([await valueOf("unsure"), await newest()]).toEqual(['"newer"', known + 2]);
});
