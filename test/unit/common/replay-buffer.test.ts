import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Batch, ReplayBuffer } from "../../../src/common/replay-buffer.ts";

const UNBOUNDED = Number.MAX_SAFE_INTEGER;

function filled(limits: { maxItems: number; maxBytes: number }, count: number, bytes = 1) {
  const buffer = new ReplayBuffer<number>(limits);
  let dropped = 0;
  for (let item = 1; item <= count; item++) {
    const { byCount, byBytes } = buffer.push(item, bytes);
    dropped += byCount + byBytes;
  }
  return { buffer, dropped };
}

function rest(buffer: ReplayBuffer<number>): readonly number[] {
  return buffer.take(UNBOUNDED).items;
}

describe("ReplayBuffer", () => {
  it("O6 O38 drops the oldest beyond the count, and tells how many", () => {
    const { buffer, dropped } = filled({ maxItems: 3, maxBytes: UNBOUNDED }, 5);
    expect(dropped).toBe(2);
    expect(rest(buffer)).toEqual([3, 4, 5]);
  });

  it("O23 is bounded by bytes too, and tells the two apart", () => {
    const { buffer } = filled({ maxItems: 100, maxBytes: 10 }, 2, 4);
    expect(buffer.push(3, 4)).toEqual({ byCount: 0, byBytes: 1 });
    expect(buffer.bytes).toBe(8);
    expect(buffer.push(4, 11)).toEqual({ byCount: 0, byBytes: 3 });
    expect([buffer.length, buffer.bytes]).toEqual([0, 0]);
  });

  it("O39 keeps nothing at a limit of 0", () => {
    const { buffer, dropped } = filled({ maxItems: 0, maxBytes: UNBOUNDED }, 4);
    expect([dropped, buffer.length, buffer.bytes]).toEqual([4, 0, 0]);
  });

  it("O44 puts the unsent tail of an interrupted flush in front of what came meanwhile", () => {
    const { buffer } = filled({ maxItems: 10, maxBytes: UNBOUNDED }, 4);
    const batch = buffer.take(4);
    buffer.push(5, 1);
    batch.settle(2);
    expect(rest(buffer)).toEqual([3, 4, 5]);
  });

  it("O22 O52 drops the oldest, not the newest, when the unsent tail no longer fits", () => {
    const { buffer } = filled({ maxItems: 3, maxBytes: UNBOUNDED }, 3);
    const batch = buffer.take(3);
    for (const item of [4, 5]) buffer.push(item, 1);
    expect(batch.settle(1)).toEqual({ byCount: 1, byBytes: 0 });
    expect(rest(buffer)).toEqual([3, 4, 5]);
  });

  it("O64 loses nothing when a flush ends in any way, and counts a batch once", () => {
    const { buffer } = filled({ maxItems: 10, maxBytes: UNBOUNDED }, 3);
    const batch = buffer.take(2);
    batch.settle(0);
    batch.settle(0);
    expect(rest(buffer)).toEqual([1, 2, 3]);
  });

  it("takes at least one item, however large, and no more than fit", () => {
    const { buffer } = filled({ maxItems: 10, maxBytes: UNBOUNDED }, 4, 5);
    expect(buffer.take(10, 1).items).toEqual([1]);
    expect(buffer.take(10, 10).items).toEqual([2, 3]);
    expect([buffer.length, buffer.bytes]).toEqual([1, 5]);
  });

  it("O6 is at any time what a list would be from which the oldest are cut", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("push" as const), bytes: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant("take" as const), max: fc.integer({ min: 1, max: 6 }) }),
      fc.record({
        kind: fc.constant("settle" as const),
        delivered: fc.integer({ min: 0, max: 6 }),
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(step, { maxLength: 200 }),
        (maxItems, maxBytes, steps) => {
          const buffer = new ReplayBuffer<number>({ maxItems, maxBytes });
          let model: { item: number; bytes: number }[] = [];
          let out: { batch: Batch<number>; items: typeof model } | undefined;
          const taken: [got: readonly number[], wanted: readonly number[]][] = [];
          let next = 0;
          let dropped = 0;
          let lost = 0;
          const cut = (): void => {
            const sum = () => model.reduce((total, { bytes }) => total + bytes, 0);
            while (model.length > maxItems || sum() > maxBytes) {
              model = model.slice(1);
              lost++;
            }
          };
          for (const action of steps) {
            if (action.kind === "push") {
              model.push({ item: next, bytes: action.bytes });
              const { byCount, byBytes } = buffer.push(next++, action.bytes);
              dropped += byCount + byBytes;
              cut();
            } else if (action.kind === "take" && out === undefined) {
              const batch = buffer.take(action.max);
              out = { batch, items: model.splice(0, action.max) };
              taken.push([batch.items, out.items.map(({ item }) => item)]);
            } else if (action.kind === "settle" && out !== undefined) {
              model = [...out.items.slice(action.delivered), ...model];
              const { byCount, byBytes } = out.batch.settle(action.delivered);
              dropped += byCount + byBytes;
              out = undefined;
              cut();
            }
            expect(buffer.length).toBe(model.length);
            expect(buffer.bytes).toBe(model.reduce((total, { bytes }) => total + bytes, 0));
          }
          for (const [got, wanted] of taken) expect(got).toEqual(wanted);
          expect(dropped).toBe(lost);
          expect(rest(buffer)).toEqual(model.map(({ item }) => item));
        },
      ),
    );
  });
});
