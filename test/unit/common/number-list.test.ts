import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NumberList } from "../../../src/common/number-list.ts";

const BLOCK_LENGTH = 2 ** 14;

describe("a list of numbers", () => {
  it("has what was put into it, and 0 elsewhere, whatever room is made when", () => {
    const length = fc.oneof(
      fc.nat(100),
      fc.constantFrom(BLOCK_LENGTH, BLOCK_LENGTH + 1, 2 * BLOCK_LENGTH),
      fc.nat(5 * BLOCK_LENGTH),
    );
    const value = fc.nat(2 ** 32 - 1);
    const steps = fc.array(fc.tuple(length, value), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), steps, (room, all) => {
        const list = new NumberList(room);
        const model = new Map<number, number>();
        let longest = room;
        for (const [enough, put] of all) {
          list.ensure(enough);
          longest = Math.max(longest, enough);
          for (const index of [longest - 1, put % longest]) {
            list.put(index, put);
            model.set(index, put);
          }
        }
        const wrong: number[] = [];
        for (let index = 0; index < longest; index++) {
          if (list.at(index) !== (model.get(index) ?? 0)) wrong.push(index);
        }
        expect(wrong).toEqual([]);
      }),
    );
  });
});
