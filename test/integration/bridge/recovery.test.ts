import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type Author, author, numbered } from "../nats/bucket-kit.ts";

const BASIC = "test/policies/basic/bundle.tar.gz";
/** The plain client needs about 14 s. */
const WITHIN_MS = 2_000;

describe("a bridge whose server was killed", () => {
  let server: NatsServer;
  let bridge: Bridge;

  beforeEach(async () => {
    server = await startNatsServer();
    await using admin = await author(server.url);
    await admin.create("b");
    await admin.putAll("b", numbered(500));
    bridge = await newBridge();
  });
  afterEach(async () => {
    await bridge?.close();
    await server?.stop();
  });

  function newBridge(): Promise<Bridge> {
    return createBridge({ nats: { server_url: server.url }, bundle: { file: BASIC } });
  }

  async function decide(key: string, by = bridge): Promise<unknown> {
    return (await by.decide("basic/value", { bucket: "b", key })).result;
  }

  /** Kills the server, starts it again and changes a key; the answer is how long the decision then took to follow. */
  async function killed(value: number): Promise<number> {
    await server.kill();
    await server.start();
    const back = performance.now();
    await using other: Author = await author(server.url);
    await other.putAll("b", [["changed", String(value)]]);
    await expect.poll(() => decide("changed"), { timeout: 10_000, interval: 5 }).toBe(value);
    return performance.now() - back;
  }

  it("C1 R1 R20 decides on what another client has changed within 2 s of the server being back", async () => {
    expect(await decide("key.7")).toEqual({ n: 7 });
    expect(await killed(1)).toBeLessThan(WITHIN_MS);
    expect(bridge.manager.watcher("b")?.status()).toMatchObject({ state: "live" });
  });

  it("C1 R3 does so each time, when the server is killed again and again in quick succession", async () => {
    await decide("key.7");
    for (const round of [1, 2, 3]) expect(await killed(round)).toBeLessThan(WITHIN_MS);
    expect(await decide("key.499")).toEqual({ n: 499 });
    expect(bridge.manager.watcher("b")?.status().repairs).toMatchObject({
      reconnect: expect.any(Number),
    });
  });

  it("O53 O12 O54 two of them come to the same, each by one load of its own; one that is new by none", async () => {
    await using second = await newBridge();
    await decide("key.7");
    await decide("key.7", second);
    await killed(1);
    await expect.poll(() => decide("changed", second), { timeout: 10_000 }).toBe(1);
    await using fresh = await newBridge();
    expect(await decide("changed", fresh)).toBe(1);
    const repairs = (of: Bridge): unknown => of.manager.watcher("b")?.status().repairs;
    expect([bridge, second, fresh].map(repairs)).toEqual([{ reconnect: 1 }, { reconnect: 1 }, {}]);
    const entries = [bridge, second, fresh].map((of) => new Map(of.store.bucket("b")!.entries()));
    expect(entries[0]!.size).toBe(501);
    expect(entries[1]).toEqual(entries[0]);
    expect(entries[2]).toEqual(entries[0]);
  });
});
