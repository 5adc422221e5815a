import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordLog } from "../../../../src/store/packed/record-log.ts";

interface Model {
  readonly name: string;
  text: string | undefined;
  revision: number;
}

/** A log with what must be in it. */
function newLog(): {
  log: RecordLog;
  places: Map<number, number>;
  models: Map<number, Model>;
  add: (owner: number, name: string, text: string | undefined, revision: number) => void;
  put: (owner: number, text: string, revision: number) => void;
  clear: (owner: number) => void;
  remove: (owner: number) => void;
  expectRecord: (owner: number) => void;
} {
  const places = new Map<number, number>();
  const models = new Map<number, Model>();
  const log = new RecordLog({
    placeOf: (owner) => places.get(owner) ?? -1,
    moved: (owner, place) => void places.set(owner, place),
  });
  return {
    log,
    places,
    models,
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
});
