import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordLog } from "../../../../src/store/packed/record-log.ts";

interface Model {
  readonly name: string;
  text: string | undefined;
  revision: number;
}

/** A log with what must be in it. */
function newLog(mostChunks?: number): {
  log: RecordLog;
  places: Map<number, number>;
  models: Map<number, Model>;
  moves: { count: number };
  add: (owner: number, name: string, text: string | undefined, revision: number) => void;
  put: (owner: number, text: string, revision: number) => void;
  clear: (owner: number) => void;
  remove: (owner: number) => void;
  expectRecord: (owner: number) => void;
} {
  const places = new Map<number, number>();
  const models = new Map<number, Model>();
  const moves = { count: 0 };
  const owners = {
    placeOf: (owner: number) => places.get(owner) ?? -1,
    moved(owner: number, place: number) {
      places.set(owner, place);
      moves.count++;
    },
  };
  const log = new RecordLog(owners, mostChunks);
  return {
    log,
    places,
    models,
    moves,
    add(owner, name, text, revision) {
      places.set(owner, log.add(owner, name, text, revision));
      models.set(owner, { name, text, revision });
      log.tidy();
    },
    put(owner, text, revision) {
      places.set(owner, log.put(places.get(owner)!, text, revision));
      Object.assign(models.get(owner)!, { text, revision });
      log.tidy();
    },
    clear(owner) {
      log.clear(places.get(owner)!);
      models.get(owner)!.text = undefined;
    },
    remove(owner) {
      log.remove(places.get(owner)!);
      places.delete(owner);
      models.delete(owner);
      log.tidy();
    },
    expectRecord(owner) {
      const place = places.get(owner)!;
      const { name, text, revision } = models.get(owner)!;
      expect(log.name(place)).toBe(name);
      expect(log.text(place)).toBe(text);
      expect(log.hasText(place)).toBe(text !== undefined);
      if (text !== undefined) expect(log.revision(place)).toBe(revision);
      expect(log.isNamed(place, `.${name}.`, 1, name.length + 1)).toBe(true);
      expect(log.isNamed(place, `${name}x`, 0, name.length + 1)).toBe(false);
    },
  };
}

describe("S4 names and values outside V8's heap", () => {
  it("come out as they went in, whatever else changes, moves or goes", () => {
    const string = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constant(""));
    const text = fc.oneof(
      string,
      fc.tuple(string, fc.nat(3_000)).map(([unit, times]) => unit.repeat(times)),
      fc.constant("ü".repeat(150_000)),
    );
    const step = fc.record({
      owner: fc.nat(30),
      name: fc.oneof(string, fc.string({ unit: "binary", minLength: 1 })),
      text: fc.option(text, { nil: undefined }),
      revision: fc.maxSafeNat(),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const { models, add, put, clear, remove, expectRecord } = newLog();
        for (const { owner, name, text: value, revision, remove: gone } of steps) {
          if (!models.has(owner)) add(owner, name, value, revision);
          else if (gone) remove(owner);
          else if (value === undefined) clear(owner);
          else put(owner, value, revision);
        }
        for (const owner of models.keys()) expectRecord(owner);
      }),
      { numRuns: 200 },
    );
  });

  it("take at most a quarter more than they need, and a chunk, after a million changes of any size", () => {
    const { log, models, add, put, expectRecord } = newLog();
    const owners = 5_000;
    const textOf = (index: number): string => "x".repeat((index * 7_919) % 700);
    for (let owner = 0; owner < owners; owner++) add(owner, `user-${owner}`, textOf(owner), 1);
    const first = log.size;
    let most = 0;
    for (let index = 0; index < 1_000_000; index++) {
      put((index * 31) % owners, textOf(index), index);
      most = Math.max(most, log.size);
    }
    expect(most).toBeLessThan(first * 1.25 + 3 * 256 * 1024);
    for (const owner of models.keys()) expectRecord(owner);
  });

  it("give their memory back when they go", () => {
    const { log, models, add, remove, expectRecord } = newLog();
    for (let owner = 0; owner < 50_000; owner++) add(owner, `user-${owner}`, "x".repeat(100), 1);
    const full = log.size;
    for (let owner = 0; owner < 50_000; owner++) if (owner % 10 !== 0) remove(owner);
    expect(log.size).toBeLessThan(full / 4);
    for (const owner of models.keys()) expectRecord(owner);
    for (const owner of models.keys()) remove(owner);
    expect(log.size).toBeLessThanOrEqual(2 * 256 * 1024);
  });

  it("take little where there are few", () => {
    const { log, add } = newLog();
    for (let owner = 0; owner < 5; owner++) add(owner, `user-${owner}`, '{"role":"admin"}', 1);
    expect(log.size).toBe(1024);
  });

  it.each([
    ["a quarter of a chunk and small ones", (index: number) => (index % 4 === 3 ? 300 : 65_450)],
    ["an eighth of a chunk and small ones", (index: number) => (index % 8 === 7 ? 600 : 32_700)],
    ["of any size", (index: number) => (index * 7_919) % 40_000],
  ])("stay where they are as long as none of them goes: %s", (_, sizeOf) => {
    const { models, moves, add, expectRecord } = newLog();
    for (let owner = 0; owner < 1_000; owner++) {
      add(owner, `user-${owner}`, "x".repeat(sizeOf(owner)), 1);
    }
    expect(moves.count).toBe(0);
    for (const owner of models.keys()) expectRecord(owner);
  });

  it("are refused when there are too many for their places, and what is there stays", () => {
    const { models, add, put, remove, expectRecord } = newLog(3);
    const text = "x".repeat(40_000);
    for (let owner = 0; owner < 3; owner++) add(owner, `user-${owner}`, text, 1);
    const refused = expect.objectContaining({ code: "BUCKET_OVER_BUDGET" }) as Error;
    expect(() => add(3, "user-3", text, 1)).toThrow(refused);
    expect(() => put(2, text.repeat(3), 2)).toThrow(refused);
    for (const owner of models.keys()) expectRecord(owner);
    remove(1);
    add(3, "user-3", text, 1);
    for (const owner of models.keys()) expectRecord(owner);
  });
});
