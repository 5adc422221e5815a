import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { announced, documentOf, makeWatcher, settled } from "./support/make.ts";

describe("after a gap", () => {
  async function live(entries: Record<string, unknown>): Promise<ReturnType<typeof makeWatcher>> {
    const parts = makeWatcher();
    const started = parts.watcher.start();
    parts.source.last().load(entries);
    await started;
    return parts;
  }

  it("C1 W5 only real differences are committed: a key that vanished without a marker goes, the same revision and text is not announced", async () => {
    const { watcher, store, source } = await live({ same: 1, vanished: 1, other: 1 });
    source.last().end();
    await settled();
    expect(watcher.state).toBe("recovering");
    expect(documentOf(store, "b")).toEqual({ same: 1, vanished: 1, other: 1 });
    source.last().opened().put("same", 1, 1).put("other", 2, 5).put("new", 1, 6).loaded();
    await settled();
    expect(announced(store)).toEqual(["mount", "put other@5", "put new@6", "delete vanished@6"]);
    expect(watcher.status()).toMatchObject({ state: "live", reloads: 1, repaired: 3, revision: 6 });
    await watcher.stop();
  });

  it("C1 a reload that finds nothing commits nothing", async () => {
    const { watcher, store, source } = await live({ a: 1 });
    source.last().end();
    await settled();
    source.last().opened().put("a", 1, 1).loaded(9);
    await settled();
    expect(store.version).toBe(1);
    expect(watcher.status()).toMatchObject({ state: "live", reloads: 1, repaired: 0, revision: 9 });
    await watcher.stop();
  });

  it("C2 a bucket that was made anew ends with its own, lower, revision", async () => {
    const { watcher, store, source } = await live({ a: 1, b: 2, c: 3 });
    source.last().end();
    await settled();
    source.last().opened("second").put("a", 9, 1).loaded();
    await settled();
    expect(documentOf(store, "b")).toEqual({ a: 9 });
    expect(watcher.status()).toMatchObject({ revision: 1, incarnation: "second", keys: 1 });
    await watcher.stop();
  });

  it("C1 entries that come between the snapshot's end and its commit are applied once", async () => {
    const { watcher, store, source } = await live({ a: 1, b: 1 });
    source.last().end();
    await settled();
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().opened().put("a", 1, 1).put("b", 1, 2).loaded();
    await settled();
    source.last().put("a", 2, 3).delete("b", 4);
    gate.resolve();
    await settled();
    expect(announced(store)).toEqual(["mount", "put a@3", "delete b@4"]);
    expect(watcher.status()).toMatchObject({ reloads: 1, revision: 4 });
    await watcher.stop();
  });

  it("C1 a value that may not be shown is repaired both ways, and counted only when something changed", async () => {
    const deep = `${"[".repeat(2_000)}${"]".repeat(2_000)}`;
    const { watcher, store, source } = await live({ shown: 1, refused: deep });
    expect(watcher.status()).toMatchObject({ refusedCount: 1, keys: 2 });
    source.last().end();
    await settled();
    source.last().opened().put("shown", deep, 3).put("refused", 1, 4).loaded();
    await settled();
    expect(documentOf(store, "b")).toEqual({ refused: 1 });
    expect(watcher.status()).toMatchObject({ refusedCount: 1, repaired: 2 });
    source.last().end();
    await settled();
    expect(source.runs).toHaveLength(2);
    await watcher.stop();
  });

  it("R3 the first gap is closed at once; streams that end one after the other wait longer and longer", async () => {
    const { watcher, source, clock } = await live({ a: 1 });
    const waits: number[] = [];
    for (let gap = 0; gap < 5; gap++) {
      const before = source.runs.length;
      const from = clock.now();
      source.last().end();
      await settled();
      while (source.runs.length === before) {
        clock.advance(50);
        await settled();
      }
      waits.push(clock.now() - from);
      source.last().opened().put("a", 1, 1).loaded();
      await settled();
    }
    expect(waits[0]).toBe(0);
    expect(waits[1]).toBeGreaterThanOrEqual(500);
    expect(waits.toSorted((a, b) => a - b)).toEqual(waits);
    // Followed for a while, it is trusted again.
    clock.advance(60_000);
    source.last().end();
    await settled();
    expect(source.running()).toHaveLength(1);
    await watcher.stop();
  });

  it("C1 R3 a connection that is back ends the wait for the next stream, but for a cooldown", async () => {
    const { watcher, source, clock } = await live({ a: 1 });
    const fail = async (): Promise<void> => {
      source.last().end("NATS_TIMEOUT");
      await settled();
    };
    for (let failures = 0; failures < 7; failures++) {
      await fail();
      while (source.running().length === 0) {
        clock.advance(1_000);
        await settled();
      }
    }
    await fail();
    source.reconnect();
    await settled();
    expect(source.running()).toHaveLength(0);
    clock.advance(500);
    await settled();
    expect(source.running()).toHaveLength(1);
    expect(source.listeners).toBe(0);
    await watcher.stop();
  });

  it("C1 R3 gaps that the connection makes wait half a second at most, also when others have waited long", async () => {
    const { watcher, source, clock } = await live({ a: 1 });
    for (let failures = 0; failures < 7; failures++) {
      source.last().end("BUCKET_STREAM_ENDED", "lost");
      await settled();
      clock.advance(30_000);
      await settled();
    }
    for (let flap = 0; flap < 6; flap++) {
      source.last().load({ a: flap });
      await settled();
      source.last().end("BUCKET_STREAM_ENDED", "reconnect");
      await settled();
      clock.advance(500);
      await settled();
      expect(source.running()).toHaveLength(1);
    }
    // What the stream itself fails of is slowed down as before.
    source.last().load({ a: 1 }).end("BUCKET_STREAM_ENDED", "lost");
    await settled();
    source.last().load({ a: 1 }).end("BUCKET_STREAM_ENDED", "lost");
    await settled();
    clock.advance(500);
    await settled();
    expect(source.running()).toHaveLength(0);
    await watcher.stop();
  });

  it("C1 a wait for the next stream ends with the watcher", async () => {
    const { watcher, source } = await live({ a: 1 });
    source.last().end();
    await settled();
    source.last().end();
    await settled();
    expect(source.listeners).toBe(1);
    await watcher.stop();
    expect(source.listeners).toBe(0);
  });

  it("W5 a stream that has ended is not heard any more, whatever its source still says", async () => {
    const { watcher, store, source } = await live({ a: 1 });
    const old = source.last();
    old.end();
    await settled();
    old.playOn().put("a", 9, 9).delete("a", 10).loaded(10);
    source.last().opened().put("a", 1, 1).loaded(1);
    old.put("a", 11, 11);
    await settled();
    expect(announced(store)).toEqual(["mount"]);
    expect(watcher.status()).toMatchObject({ state: "live", revision: 1 });
    await watcher.stop();
  });

  it("goes on with the data from before while the bucket can't be reached", async () => {
    const { watcher, store, source, clock } = await live({ a: 1 });
    for (const code of ["BUCKET_STREAM_ENDED", "NATS_TIMEOUT", "BUCKET_FORBIDDEN"] as const) {
      source.last().end(code);
      await settled();
      clock.advance(60_000);
      await settled();
    }
    expect(watcher.status()).toMatchObject({ state: "recovering", ageMs: 180_000 });
    expect(watcher.status().lastError).toContain("BUCKET_FORBIDDEN");
    expect(documentOf(store, "b")).toEqual({ a: 1 });
    await watcher.stop();
  });

  it("ageMs starts anew whenever the source says that nothing is left", async () => {
    const { watcher, source, clock } = await live({ a: 1 });
    clock.advance(1_500);
    expect(watcher.ageMs).toBe(1_500);
    source.last().current();
    expect(watcher.ageMs).toBe(0);
    await watcher.stop();
  });
});
