import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { awaitRevisions } from "../../../src/watch/await-revisions.ts";
import { Holes } from "../../../src/watch/holes.ts";
import { infoOf } from "./support/fake-source.ts";
import { documentOf, makeManager, makeWatcher, settled } from "./support/make.ts";

describe("C6 what is whole of a copy", () => {
  async function loaded() {
    const parts = makeWatcher();
    const started = parts.watcher.start();
    parts.source.last().load({ n: 1 });
    await started;
    return { ...parts, run: parts.source.last() };
  }

  it("is all of it as long as nothing is left out", async () => {
    const { watcher, run } = await loaded();
    expect(watcher.wholeRevision).toBe(1);
    run.put("k", 1, 2).put("k", 1, 3);
    await settled();
    expect(watcher.wholeRevision).toBe(3);
    await watcher.stop();
    expect(watcher.wholeRevision).toBeUndefined();
  });

  it("ends where something was left out, until what has taken its place is in the store", async () => {
    const { watcher, run, store } = await loaded();
    run.put("k", 1, 2).whole(2).put("k", 2, 4);
    await settled();
    expect([store.bucket("b")!.revision, watcher.wholeRevision]).toEqual([4, 2]);
    const gate = deferred();
    store.gate = () => gate.promise;
    run.delete("n", 5).whole().put("k", 3, 6);
    await settled();
    expect([documentOf(store, "b"), watcher.wholeRevision]).toEqual([{ n: 1, k: 2 }, 2]);
    gate.resolve();
    await settled();
    expect([documentOf(store, "b"), watcher.wholeRevision]).toEqual([{ k: 3 }, 6]);
    await watcher.stop();
  });

  it("is nothing after a load that has left something out, until that is made up for", async () => {
    const { watcher, source } = makeWatcher();
    const started = watcher.start();
    source.last().opened().put("k", 1, 3).whole(0).loaded(4);
    await started;
    expect(watcher.wholeRevision).toBe(0);
    source.last().put("n", 1, 5).whole();
    await settled();
    expect(watcher.wholeRevision).toBe(5);
    await watcher.stop();
  });

  it("stays what it was while the bucket is loaded again, which is whole or not by itself", async () => {
    const { watcher, run, source, store } = await loaded();
    run.whole(1).put("k", 2, 3);
    await settled();
    run.end();
    await settled();
    expect([watcher.state, watcher.wholeRevision]).toEqual(["recovering", 1]);
    const claims: unknown[] = [];
    store.onCommit(() => claims.push([store.bucket("b")!.revision, watcher.wholeRevision]));
    source.last().opened("first", { revision: 4 }).whole(0).put("k", 2, 3).loaded(4);
    await settled();
    expect(claims).toEqual([[4, 0]]);
    source.last().put("n", 2, 5).whole();
    await settled();
    expect(claims).toEqual([
      [4, 0],
      [5, 5],
    ]);
    await watcher.stop();
  });

  it.each([
    ["was made again", { incarnation: "second", revision: 9 }, 0, 0],
    ["has lost its last revisions", { incarnation: "first", revision: 2 }, 0, 2],
  ] as const)(
    "is nothing of the old copy's own revisions once the bucket %s",
    async (_, info, ended, opened) => {
      for (const cause of [
        "reconnect",
        info.revision === 9 ? "incarnation" : "regressed",
      ] as const) {
        const { watcher, run, source, clock } = await loaded();
        run.put("k", 2, 3);
        await settled();
        run.end("BUCKET_STREAM_ENDED", cause);
        await settled();
        expect(watcher.wholeRevision).toBe(cause === "reconnect" ? 3 : ended);
        clock.advance(6_000);
        await settled();
        source.last().opened(info.incarnation, infoOf(info));
        expect(watcher.wholeRevision).toBe(cause === "reconnect" ? opened : 0);
        source.last().put("k", 1, info.revision).loaded();
        await settled();
        expect(watcher.wholeRevision).toBe(info.revision);
        await watcher.stop();
      }
    },
  );

  it("is nothing of a copy whose bucket was made again while it was on its way into the store", async () => {
    const { watcher, run, source, store, clock } = await loaded();
    run.end("BUCKET_STREAM_ENDED", "reconnect");
    await settled();
    clock.advance(6_000);
    await settled();
    const gate = deferred();
    store.gate = () => gate.promise;
    source.last().opened().put("k", 1, 9).loaded(9);
    await settled();
    source.last().end("BUCKET_STREAM_ENDED", "incarnation");
    gate.resolve();
    await settled();
    expect([documentOf(store, "b"), watcher.wholeRevision]).toEqual([{ k: 1 }, 0]);
    await watcher.stop();
  });

  it("is as much as its stream has come to, where others have come and gone behind the last entry", async () => {
    const { watcher, run, store } = await loaded();
    run.whole(1).current(11);
    expect(watcher.wholeRevision).toBe(1);
    run.whole();
    expect(watcher.wholeRevision).toBe(11);
    const gate = deferred();
    store.gate = () => gate.promise;
    run.put("k", 1, 12);
    await settled();
    expect(watcher.wholeRevision).toBe(1);
    gate.resolve();
    await settled();
    expect(watcher.wholeRevision).toBe(12);
    await watcher.stop();
  });

  it("does not go back when an entry expires", async () => {
    const { watcher, source, store, clock } = makeWatcher();
    const started = watcher.start();
    source
      .last()
      .opened()
      .put("k", 1, 2, clock.epochMs() + 1_000)
      .loaded(12);
    await started;
    expect(watcher.wholeRevision).toBe(12);
    clock.advance(2_000);
    await settled();
    expect([documentOf(store, "b"), store.bucket("b")!.revision]).toEqual([{}, 12]);
    expect(watcher.wholeRevision).toBe(12);
    await watcher.stop();
  });

  it("is known of the last holes, however many there have been", () => {
    const holes = new Holes();
    for (let index = 0; index < 500; index++) {
      holes.open(index * 10);
      holes.close(index * 10 + 5);
    }
    holes.open(5_000);
    expect([4_983, 4_985, 4_993, 4_999, 5_001].map((revision) => holes.whole(revision))).toEqual([
      4_980, 4_985, 4_990, 4_999, 5_000,
    ]);
  });
});

describe("C6 a demanded revision", () => {
  it("that was left out is waited for until what has taken its place is there", async () => {
    const { manager, source, store } = makeManager();
    await manager.getOrCreateWatcher("a");
    const run = source.last("a");
    // The end of "name" at 2 is left out, because of another one at 4.
    run.whole(1).put("k", 1, 3);
    await settled();
    expect(store.bucket("a")!.revision).toBe(3);
    await expect(awaitRevisions(manager, new Map([["a", 2]]), 20)).rejects.toMatchObject({
      code: "REVISION_NOT_REACHED",
      message: expect.stringContaining("has reached revision 1") as string,
      reached: new Map([["a", 1]]),
    });
    expect(run.proofs).toBeGreaterThan(0);
    const reached = awaitRevisions(manager, new Map([["a", 2]]), 30_000);
    run.delete("name", 4).whole();
    (await reached)();
    expect(documentOf(store, "a")).toEqual({ k: 1 });
    await manager.stop();
  });
});
