import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Document } from "../../../src/store/document.ts";
import { type NameMap, WIDE_SIZE, WideMap } from "../../../src/store/wide-map.ts";

describe("S4 a map of many names", () => {
  it("is a Map, whatever is done with it", () => {
    const name = fc.oneof(fc.constantFrom("", "__proto__", "constructor", "a", "b"), fc.string());
    const step = fc.record({ name, value: fc.nat(), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.nat())), fc.array(step), (entries, steps) => {
        const model = new Map(entries);
        const map = new WideMap(entries);
        for (const { name: key, value, remove } of steps) {
          const change = (target: NameMap<number>): unknown =>
            remove ? target.delete(key) : target.set(key, value).get(key);
          expect(change(map)).toBe(change(model));
          expect(map.size).toBe(model.size);
          expect(map.get(key)).toBe(model.get(key));
        }
        expect(new Map(map)).toEqual(model);
      }),
    );
  });

  it.each<[string, (index: number) => string]>([
    ["counted", (index) => `user-${String(index).padStart(7, "0")}`],
    ["counted in front of what all have", (index) => `${String(index).padStart(6, "0")}-a`],
    ["hashes", (index) => createHash("sha1").update(String(index)).digest("hex")],
  ])("spreads names that are %s", (_, make) => {
    const map = new WideMap<number>();
    for (let index = 0; index < 100_000; index++) map.set(make(index), index);
    expect(map.size).toBe(100_000);
    // In each of 256 shards there are 390 on average.
    expect(map.fullest).toBeLessThan(1_000);
  });

  it("a document keeps all its keys when one of its objects becomes wide, and when it shrinks", () => {
    const document = new Document();
    const count = WIDE_SIZE + 100;
    for (let index = 0; index < count; index++) document.put(`m.k${index}`, String(index), index);
    expect(document.size).toBe(count);
    const whole = JSON.parse(document.text(["m"])!) as Record<string, number>;
    expect(Object.keys(whole)).toHaveLength(count);
    expect(whole["k512"]).toBe(512);
    for (let index = 1; index < count; index++) document.remove(`m.k${index}`);
    expect(document.text()).toBe('{"m":{"k0":0}}');
    document.remove("m.k0");
    expect(document.text()).toBe("{}");
  });
});
