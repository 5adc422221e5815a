import { headers } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";
import { type Author, author } from "../nats/bucket-kit.ts";
import { announcements, copy, expectCurrent, statusOf } from "./currency-kit.ts";
import { type Watching, watchServer } from "./support.ts";

const TTL_MS = 1_500;
/** How late a busy machine may be. */
const LATE_MS = 1_000;

/** Server and bridge share the machine's clock here; without audits nothing else can end an entry. */
const BY_CLOCK_ALONE = { refreshIntervalMs: 0 };

async function expectGone({ store }: Watching, bucket: string, key: string): Promise<number> {
  await vi.waitFor(() => expect(copy(store, bucket)).not.toHaveProperty([key]), {
    timeout: 8_000,
    interval: 5,
  });
  return Date.now();
}

describe("an entry that expires", () => {
  let server: NatsServer;
  let admin: Author;

  beforeAll(async () => {
    server = await startNatsServer();
    admin = await author(server.url);
  });

  afterAll(async () => {
    await admin?.[Symbol.asyncDispose]();
    await server?.stop();
  });

  async function changeSettings(bucket: string, change: object): Promise<void> {
    const { config } = await admin.manager.streams.info(`KV_${bucket}`);
    await admin.manager.streams.update(`KV_${bucket}`, { ...config, ...change });
  }

  it("C3 ends at the bucket's age, on time, one that was there before and one that came live", async () => {
    await using watching = await watchServer(server.url, BY_CLOCK_ALONE);
    const kv = await admin.create("aged", { ttl: TTL_MS });
    const first = Date.now();
    await kv.put("before", "1");
    await watching.manager.getOrCreateWatcher("aged");
    expect(copy(watching.store, "aged")).toEqual({ before: "1@1" });
    const heard = announcements(watching.store);
    const second = Date.now();
    await kv.put("live", "2");
    const ends = [await expectGone(watching, "aged", "before")];
    ends.push(await expectGone(watching, "aged", "live"));
    for (const [index, begin] of [first, second].entries()) {
      expect(ends[index]! - begin).toBeGreaterThanOrEqual(TTL_MS);
      expect(ends[index]! - begin).toBeLessThan(TTL_MS + LATE_MS);
    }
    expect(heard.toSorted()).toEqual(["delete before", "delete live", "put live"]);
    expect(watching.opened()).toBe(1);
  });

  it("C3 ends at the key's own time to live, and others stay", async (test) => {
    test.skip(!serverVersionAtLeast(server, "2.11.0"), "keys have no time to live before 2.11");
    await using watching = await watchServer(server.url, BY_CLOCK_ALONE);
    const kv = await admin.create("own");
    await changeSettings("own", { allow_msg_ttl: true });
    await kv.put("stays", "1");
    const jetstream = admin.connection.jetstream();
    const ttl = headers();
    ttl.set("Nats-TTL", "2s");
    const begin = Date.now();
    await jetstream.publish("$KV.own.before", "1", { headers: ttl });
    await watching.manager.getOrCreateWatcher("own");
    await jetstream.publish("$KV.own.live", "1", { headers: ttl });
    await jetstream.publish("$KV.own.renewed", "1", { headers: ttl });
    await kv.put("renewed", "2");
    await vi.waitFor(() => {
      expect(Object.keys(copy(watching.store, "own") ?? {})).toHaveLength(4);
      expect(copy(watching.store, "own")).toHaveProperty("renewed", "2@5");
    });
    const gone = await expectGone(watching, "own", "before");
    expect(gone - begin).toBeGreaterThanOrEqual(2_000);
    expect(gone - begin).toBeLessThan(2_000 + LATE_MS);
    await expectGone(watching, "own", "live");
    expect(copy(watching.store, "own")).toEqual({ stays: "1@1", renewed: "2@5" });
    await expectCurrent(watching, admin, "own");
    expect(watching.opened()).toBe(1);
  });

  it("C3 ends by the new age when a live bucket's age is changed", async () => {
    await using watching = await watchServer(server.url, { refreshIntervalMs: 200 });
    const kv = await admin.create("changed", { ttl: 3_600_000 });
    await kv.put("old", "1");
    await watching.manager.getOrCreateWatcher("changed");
    // A stream's window for duplicates is at most its age.
    const nanoseconds = TTL_MS * 1e6;
    await changeSettings("changed", { max_age: nanoseconds, duplicate_window: nanoseconds });
    await expectGone(watching, "changed", "old");
    await vi.waitFor(() => {
      expect(statusOf(watching, "changed").repairs).toHaveProperty("settings", 1);
    });
    // Written after the reload: its end is the new age's, not the old one's.
    await vi.waitFor(() => expect(statusOf(watching, "changed").state).toBe("live"));
    const begin = Date.now();
    await kv.put("new", "1");
    await vi.waitFor(() => expect(copy(watching.store, "changed")).toHaveProperty("new"));
    const gone = await expectGone(watching, "changed", "new");
    expect(gone - begin).toBeGreaterThanOrEqual(TTL_MS);
    expect(gone - begin).toBeLessThan(TTL_MS + LATE_MS);
    // And the other way round: what is to live longer now does.
    await changeSettings("changed", { max_age: 0 });
    await vi.waitFor(() => expect(statusOf(watching, "changed").repairs).toEqual({ settings: 2 }), {
      timeout: 8_000,
    });
    await kv.put("lasting", "1");
    await expectCurrent(watching, admin, "changed");
  });

  it("C3 ends on time while the server is gone", async () => {
    await using mortal = await startNatsServer();
    await using watching = await watchServer(mortal.url, BY_CLOCK_ALONE);
    await using owner = await author(mortal.url, { reconnect: false });
    const kv = await owner.create("aged", { ttl: 2_000 });
    const begin = Date.now();
    await kv.put("grant", "1");
    await watching.manager.getOrCreateWatcher("aged");
    await mortal.kill();
    expect(copy(watching.store, "aged")).toEqual({ grant: "1@1" });
    const gone = await expectGone(watching, "aged", "grant");
    expect(gone - begin).toBeGreaterThanOrEqual(2_000);
    expect(gone - begin).toBeLessThan(2_000 + LATE_MS);
    expect(statusOf(watching, "aged")).toMatchObject({ reloads: 0, stale: false });
    expect(statusOf(watching, "aged").ageMs).toBeGreaterThan(500);
  });
});
