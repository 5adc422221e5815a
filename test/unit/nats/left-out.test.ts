import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Deferred, deferred } from "../../../src/common/async.ts";
import { LeftOut } from "../../../src/nats/left-out.ts";
import { SnapshotEnd } from "../../../src/nats/snapshot-end.ts";

/** One whose questions the test answers, and whose time it tells. */
function leftOut() {
  const asked: Deferred<number>[] = [];
  const told: (number | string)[] = [];
  let now = 0;
  const askLast = (): Promise<number> => {
    asked.push(deferred<number>());
    return asked.at(-1)!.promise;
  };
  const part = new LeftOut(
    askLast,
    (revision) => told.push(revision),
    () => now,
  );
  return {
    part,
    asked,
    told,
    /** A message that is handed over. */
    entry: (sequence: number) => {
      part.comes(sequence);
      told.push(`entry ${sequence}`);
      part.handedOver();
    },
    beat: (position: number) => {
      part.idles(position);
      part.handedOver();
    },
    /** Somebody waits, and has waited for a while. */
    ask: (ms = 1_000) => {
      now += ms;
      part.prove();
    },
    answer: async (last: number) => {
      asked.at(-1)!.resolve(last);
      await setImmediate();
    },
  };
}

/** One whose snapshot has ended, quietly, at 4. */
function live() {
  const parts = leftOut();
  parts.part.begins(4);
  parts.part.loaded();
  return parts;
}

describe("C6 a live stream", () => {
  test("that leaves nothing out asks nothing and tells nothing", () => {
    const { entry, beat, told, asked, ask } = live();
    entry(5);
    ask();
    beat(5);
    entry(6);
    beat(3);
    entry(7);
    expect(told).toEqual(["entry 5", "entry 6", "entry 7"]);
    expect(asked).toEqual([]);
  });

  test("is whole up to where it was before the jump until the last sequence, asked for after it, is reached", async () => {
    const { entry, told, asked, ask, answer } = live();
    entry(6);
    expect(told).toEqual([4, "entry 6"]);
    expect(asked).toHaveLength(0);
    ask();
    entry(7);
    await answer(9);
    entry(8);
    expect(told).not.toContain(Infinity);
    entry(9);
    entry(10);
    const rest = ["entry 7", "entry 8", "entry 9", Infinity, "entry 10"];
    expect(told).toEqual([4, "entry 6", ...rest]);
    expect(asked).toHaveLength(1);
  });

  test("may have reached it before the answer comes", async () => {
    const { entry, told, ask, answer } = live();
    entry(6);
    ask();
    entry(7);
    await answer(7);
    expect(told).toEqual([4, "entry 6", "entry 7", Infinity]);
  });

  test("reaches it by an idle server's position, too", async () => {
    const { entry, beat, told, ask, answer } = live();
    entry(6);
    ask();
    await answer(6);
    expect(told.at(-1)).toBe(Infinity);
    beat(8);
    expect(told.at(-1)).toBe(6);
    ask();
    await answer(8);
    expect(told.at(-1)).toBe(Infinity);
  });

  test("that jumps again during the question, or before its answer is reached, is to be asked again", async () => {
    const { entry, told, asked, ask, answer } = live();
    entry(6);
    ask();
    entry(10);
    await answer(10);
    expect(told).not.toContain(Infinity);
    ask();
    await answer(13);
    entry(13);
    expect(told).not.toContain(Infinity);
    ask();
    await answer(13);
    expect(told.filter((what) => typeof what === "number")).toEqual([4, Infinity]);
    expect(asked).toHaveLength(3);
  });

  test("is asked only while somebody waits, one question at a time, and 50 in a second at most", async () => {
    const { entry, told, asked, ask, answer } = live();
    for (let sequence = 6; sequence <= 100; sequence += 2) entry(sequence);
    expect(asked).toHaveLength(0);
    ask();
    ask(0);
    expect(asked).toHaveLength(1);
    entry(102);
    await answer(102);
    ask(19);
    expect(asked).toHaveLength(1);
    ask(1);
    expect(asked).toHaveLength(2);
    await answer(103);
    // The answer is waited for, however long that takes.
    ask();
    expect(asked).toHaveLength(2);
    expect(told).not.toContain(Infinity);
    entry(103);
    expect(told.at(-1)).toBe(Infinity);
    ask();
    expect(asked).toHaveLength(2);
  });

  test("doesn't believe a server that knows less than what has come already", async () => {
    const { entry, told, ask, answer } = live();
    entry(6);
    ask();
    await answer(5);
    expect(told).not.toContain(Infinity);
    ask();
    await answer(6);
    expect(told.at(-1)).toBe(Infinity);
  });

  test("is asked again when the question fails", async () => {
    const { entry, told, asked, ask, answer } = live();
    entry(6);
    ask();
    asked[0]!.reject(new Error("no answer"));
    await setImmediate();
    ask();
    await answer(6);
    expect(told).toEqual([4, "entry 6", Infinity]);
  });

  test("that has ended asks and tells nothing any more", async () => {
    const first = live();
    first.entry(6);
    first.part.stop();
    first.ask();
    expect(first.asked).toHaveLength(0);
    const second = live();
    second.entry(6);
    second.ask();
    second.part.stop();
    await second.answer(6);
    second.beat(9);
    expect(second.told).toEqual([4, "entry 6"]);
  });

  test("that goes back behind a list of last values claims nothing until it has caught up", async () => {
    const { entry, told, ask, answer } = live();
    entry(9);
    entry(6);
    expect(told).toEqual([4, "entry 9", 0, "entry 6"]);
    ask();
    await answer(9);
    for (const sequence of [7, 8, 9]) entry(sequence);
    expect(told.at(-1)).toBe(Infinity);
  });
});

describe("C6 at the end of a snapshot", () => {
  /** A snapshot with jumps everywhere, whose end asks for the last sequence by itself. */
  function loading() {
    const parts = leftOut();
    const { part, told } = parts;
    let over = false;
    const end = new SnapshotEnd(
      () => part.ask(),
      (revision) => {
        over = true;
        part.loaded();
        told.push(`loaded ${revision}`);
      },
      () => undefined,
    );
    end.begin();
    const entry = (sequence: number, pending: number): void => {
      part.comes(sequence);
      if (over) part.handedOver();
      else end.reached(sequence, pending);
    };
    return { ...parts, entry };
  }

  test("all is whole where nothing was left out since it asked last, without another question", async () => {
    const { entry, told, asked, ask, answer } = loading();
    entry(3, 2);
    entry(7, 1);
    entry(10, 0);
    await answer(10);
    await answer(11);
    entry(11, 0);
    entry(12, 0);
    expect(told).toEqual(["loaded 11"]);
    ask();
    expect(asked).toHaveLength(2);
  });

  test("nothing is claimed where something was left out since, until it is made up for", async () => {
    const { entry, told, asked, ask, answer } = loading();
    entry(10, 0);
    await answer(10);
    entry(12, 0);
    await answer(12);
    expect(told).toEqual([0, "loaded 12"]);
    ask();
    await answer(13);
    expect(told).toEqual([0, "loaded 12"]);
    entry(13, 0);
    expect(told).toEqual([0, "loaded 12", Infinity]);
    expect(asked).toHaveLength(3);
  });
});
