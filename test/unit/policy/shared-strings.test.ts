import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataHeap } from "../../../src/policy/data-heap.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import { canonical, mirror } from "./resident-kit.ts";

const mebibyte = 1024 * 1024;

async function newHeap(mebibytes = 64): Promise<{ heap: DataHeap; instance: WasmInstance }> {
  const instance = await WasmInstance.create(
    await PolicyModule.prepare(mirror.wasm!),
    mebibytes * mebibyte,
  );
  instance.setData('{"x":{}}');
  return { heap: new DataHeap(instance), instance };
}

describe("P3 strings that occur often", () => {
  it("leave every value as it is, whatever is put, replaced and removed", async () => {
    const { heap, instance } = await newHeap();
    const short = fc.constantFrom("", "a", "b", "role", "\u{1f600}", 'é\n"', "x".repeat(64));
    const string = fc.oneof(short, fc.string({ maxLength: 80 }), fc.constant("y".repeat(65)));
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        string,
        fc.integer(),
        fc.constantFrom(null, true, false),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(string, tie("any"), { maxKeys: 12, noNullPrototype: true }),
      ),
    })).any;
    const model = new Map<string, unknown>();
    const step = fc.record({
      key: fc.integer({ min: 0, max: 30 }),
      value,
      remove: fc.nat(3).map((number) => number === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        heap.session(() => {
          for (const { key, value: next, remove } of steps) {
            const name = `k${key}`;
            if (remove) {
              heap.remove(instance.dataAddress, ["x", name]);
              model.delete(name);
            } else {
              heap.put(instance.dataAddress, ["x", name], JSON.stringify(next));
              model.set(name, next);
            }
          }
        });
        const expected = JSON.stringify({ x: Object.fromEntries(model) });
        expect(canonical(instance.dump(instance.dataAddress))).toEqual(canonical(expected));
      }),
      { numRuns: 300 },
    );
  });

  it("take room once", async () => {
    const { heap, instance } = await newHeap();
    const bytesFor = (count: number, textOf: (index: number) => string): number => {
      const before = heap.end;
      heap.session(() => {
        const object = heap.newObject(count);
        for (let index = 0; index < count; index++) heap.put(object, [`k${index}`], textOf(index));
        heap.link(instance.dataAddress, ["x"], object);
      });
      return (heap.end - before) / count;
    };
    const same = bytesFor(2_000, () => '{"permission":"administrator"}');
    const other = bytesFor(2_000, (index) => `{"permission-${index}":"administrator-${index}"}`);
    // A string takes 16 bytes beside its own, and each block 8 more.
    expect(other - same).toBeGreaterThan(80);
  });

  it("are as many as may stay, and no more: the others go with their values", async () => {
    const { heap, instance } = await newHeap();
    const replace = (from: number, to: number): void => {
      heap.session(() => {
        for (let index = from; index < to; index++) {
          heap.put(instance.dataAddress, ["x", "k"], `{"name-${index}":"value-${index}"}`);
        }
      });
    };
    replace(0, 10_000);
    const full = heap.end;
    replace(10_000, 60_000);
    expect(heap.end).toBe(full);
    expect(instance.dump(instance.dataAddress)).toBe('{"x":{"k":{"name-59999":"value-59999"}}}');
  });

  it("take no longer where many have been chosen to have one place", async () => {
    const mixed = (hash: number): number => hash ^ (hash >>> 15);
    const next = (hash: number, word: number): number => mixed(Math.imul(hash ^ word, 0x9e3779b1));
    const begin = next(8, Buffer.from("name").readUInt32LE());
    const place = (word: number): number => mixed(next(begin, word)) & 8_191;
    const chosen: string[] = [];
    const others: string[] = [];
    for (let number = 0; chosen.length < 2_000; number++) {
      // Four letters from "@" to "\x7f" each.
      const bits = (number & 63) | ((number & 4_032) << 2);
      const word = 0x40404040 | bits | ((number & 0x3f000) << 4) | ((number & 0xfc0000) << 6);
      if (place(word) !== 0 && others.length === 2_000) continue;
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(word);
      (place(word) === 0 ? chosen : others).push(`name${bytes.toString()}`);
    }
    const take = async (names: readonly string[]): Promise<number> => {
      const { heap, instance } = await newHeap();
      const put = (value: unknown): boolean =>
        heap.session(() => heap.put(instance.dataAddress, ["x", "k"], JSON.stringify(value)));
      // Each is there twice with none of the others between, so that it is shared.
      for (const name of names) put({ [name]: { [name]: 0 } });
      const all = Object.fromEntries(names.map((name) => [name, 0]));
      const start = performance.now();
      for (let round = 0; round < 20; round++) put(all);
      return performance.now() - start;
    };
    await take(others);
    expect(await take(chosen)).toBeLessThan((await take(others)) * 5);
  });

  it("take no longer where they come with escapes, in blocks that take long to free one by one", async () => {
    const take = async (name: string): Promise<number> => {
      const { heap, instance } = await newHeap(512);
      const text = `[${Array.from({ length: 20_000 }, () => `"${name}"`).join()}]`;
      const start = performance.now();
      heap.session(() => heap.put(instance.dataAddress, ["x", "k"], text));
      return performance.now() - start;
    };
    const plain = "x".repeat(63);
    const escaped = `${"x".repeat(62)}\\u0078`;
    await take(plain);
    expect(await take(escaped)).toBeLessThan((await take(plain)) * 20);
  });
});
