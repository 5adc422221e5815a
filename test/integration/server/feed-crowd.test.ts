import { Worker } from "node:worker_threads";
import Fastify from "fastify";
import { connect, StorageType } from "nats";
import { expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { silentLogger } from "../../../src/common/logger.ts";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { feedRoutes } from "../../../src/server/feed-routes.ts";
import { plain } from "../../unit/feed/feed-client.ts";
import { History } from "../../unit/feed/told.ts";
import { usedBytes } from "../../support/memory.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { watchServer } from "../watch/support.ts";
import { HttpFollower, type Manner } from "./feed-crowd.ts";

const SUBSCRIBERS = 200;
/** Of them, so many read nothing before the writer is done and the feed has ended them. */
const STALLED = 20;
const WRITES = 8_000;
const LOG_BYTES = 64 * 2 ** 20;
/** More than a connection's buffers hold, in values that are commits of their own. */
const LARGE_WRITES = 48;
const LARGE_BYTES = 512 * 2 ** 10;

/** How the others do: the buckets of small values, both or one of them, at any speed. */
function ordinary(index: number): Manner {
  return {
    transport: index % 2 === 0 ? "events" : "socket",
    snapshot: index % 3 !== 0,
    bucket: index % 4 < 2 ? "a" : "b",
    pause: [0, 0, 1, 3, 10][index % 5]!,
    // One is enough to leave in the middle of the step from the replay to what is new.
    leavesAfter: [1, 5, Infinity][(index >> 1) % 3]!,
  };
}

it("F1 F2 J1 J4 J6 J9 200 subscribers over HTTP, of any speed, that come and go while a writer is at full speed: each is told every version once, in order", async () => {
  await using nats = await startNatsServer();
  await using client = await clientOf(nats.url);
  for (const bucket of ["a", "b", "bulk"]) {
    await client.jetstream().views.kv(bucket, { storage: StorageType.Memory });
  }
  await using watching = await watchServer(nats.url);
  const { store, manager } = watching;
  const history = new History(store);
  for (const bucket of ["a", "b", "bulk"]) await manager.getOrCreateWatcher(bucket);
  // As the service's, but sooner to find somebody slow.
  using feed = new ChangeFeed(store, { maxBytes: LOG_BYTES, farBehind: 20, stallMs: 5_000 });
  await using app = Fastify();
  // All are given the time to read why they were ended, however busy the machine is.
  feedRoutes(app, feed, { logger: silentLogger, lastFrameMs: 300_000 });
  const url = `${await app.listen({ port: 0, host: "127.0.0.1" })}/v1/feed`;

  const wereEnded = deferred();
  const manners = Array.from({ length: SUBSCRIBERS }, (_, index): Manner => {
    if (index >= STALLED) return ordinary(index);
    const pause = wereEnded.promise;
    const transport = index % 2 === 0 ? "events" : "socket";
    return { transport, snapshot: index % 4 < 2, pause, leavesAfter: Infinity };
  });
  const failures: unknown[] = [];
  const followers = manners.map((manner) => new HttpFollower(url, history, manner));
  const start = (some: readonly HttpFollower[]): Promise<unknown> => {
    const opened = some.map((one) => {
      const open = deferred();
      one
        .run(() => open.resolve())
        .catch((error: unknown) => {
          failures.push(error);
          open.resolve();
        });
      return open.promise;
    });
    return Promise.all(opened);
  };
  await start(followers.slice(0, STALLED));

  const before = usedBytes();
  const workerData = { url: nats.url, writes: WRITES };
  const writer = new Worker(new URL("crowd-writer.mjs", import.meta.url), { workerData });
  const done = new Promise((resolve) => writer.once("exit", resolve));
  // The crowd comes while there is much to come.
  for (let index = STALLED; index < SUBSCRIBERS; index += 20) {
    await start(followers.slice(index, index + 20));
  }
  expect(await done).toBe(0);
  // Of what comes fast only the last values are told, which may be little.
  const bulk = await client.jetstream().views.kv("bulk");
  for (let turn = 0; turn < LARGE_WRITES; turn++) {
    const text = JSON.stringify({ turn, padding: "x".repeat(LARGE_BYTES) });
    const revision = await bulk.put("large", text);
    await vi.waitFor(() => expect(store.bucket("bulk")!.revision).toBe(revision), PATIENT);
  }
  for (const bucket of ["a", "b", "bulk"]) {
    const { state } = (await (await client.jetstream().views.kv(bucket)).status()).streamInfo;
    await vi.waitFor(() => expect(store.bucket(bucket)!.revision).toBe(state.last_seq), PATIENT);
  }
  // The copy is current though some have read nothing at all: nobody has waited for them.
  expect(followers.slice(0, STALLED).map(({ told }) => told.client.types)).toEqual(
    Array.from({ length: STALLED }, () => []),
  );
  // What was written is kept once; kept for each of those who read nothing, it would be more than 300 MiB.
  const { bytes } = feed.status();
  expect(bytes).toBeLessThanOrEqual(LOG_BYTES);
  expect(usedBytes() - before).toBeLessThan(bytes + 64 * 2 ** 20);

  await vi.waitFor(() => expect(feed.status().ended.slow).toBe(STALLED), PATIENT);
  wereEnded.resolve();
  await vi.waitFor(() => {
    expect(failures).toEqual([]);
    expect(feed.status()).toMatchObject({ subscribers: SUBSCRIBERS, maxLag: 0 });
    // Who asked for no snapshot has no more than what was written since.
    const all = followers.filter((_, index) => manners[index]!.snapshot);
    for (const one of all) expect(plain(one.told.client.contents)).toEqual(one.wanted(store));
  }, PATIENT);
  const { cursor } = feed.status();
  feed.close();
  await vi.waitFor(() => {
    for (const { told } of followers) {
      expect(told.client.end).toMatchObject({ reason: "stopping", cursor });
    }
  }, PATIENT);
  expect(failures).toEqual([]);
  for (const { told } of followers.slice(0, STALLED)) {
    expect(told.ends).toEqual(["slow", "stopping"]);
  }
  const others = followers.slice(STALLED);
  expect(new Set(others.flatMap(({ told }) => told.ends))).toEqual(new Set(["stopping"]));
  expect(others.filter(({ told }) => told.rejoined > 0).length).toBeGreaterThan(SUBSCRIBERS / 3);
}, 300_000);

const PATIENT = { timeout: 120_000, interval: 20 };

async function clientOf(url: string) {
  const client = await connect({ servers: url });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}
