import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FieldTable } from "../../../src/common/field-table.ts";

/** Names that are hard to tell from each other, and any others. */
const name = fc.oneof(
  fc.constantFrom("", "__proto__", "constructor", "a", "A", "\u00e4", '"', "\\", "\ud83d\ude00"),
  // Each two have one hash (FNV-1a, 32 bits).
  fc.constantFrom("costarring", "liquid", "declinate", "macallums", "altarage", "zinke"),
  fc.string({ unit: "binary" }),
);

describe("the fields of a text", () => {
  it("P4 are those of a Map, in its order, whatever is set and replaced", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.nat()), { maxLength: 300 }), (fields) => {
        const written = fields.map(([key, value]) => `${JSON.stringify(key)}:${value}`);
        const table = new FieldTable(Buffer.from(written.join(",")));
        const model = new Map<string, string>();
        let at = 0;
        for (const [index, [key, value]] of fields.entries()) {
          const end = at + Buffer.byteLength(written[index]!);
          table.set(key, at, end - String(value).length, end);
          model.set(key, String(value));
          at = end + 1;
        }
        expect([...table]).toEqual([...model]);
        expect([...table.keys()]).toEqual([...model.keys()]);
        expect(table.size).toBe(model.size);
        for (const key of [...model.keys(), "no such name"]) {
          expect(table.get(key)).toBe(model.get(key));
        }
      }),
    );
  });

  it("are tables where they were taken apart, until they are replaced", () => {
    const json = Buffer.from('{"a":{"b":1},"a":2,"a":{}}');
    const table = new FieldTable(json);
    const inner = new FieldTable(json);
    inner.set("b", 6, 10, 11);
    table.set("a", 1, 5, 5, inner);
    expect(table.get("a")).toBe(inner);
    expect(inner.get("b")).toBe("1");
    table.set("a", 13, 17, 18);
    expect([...table]).toEqual([["a", "2"]]);
    table.set("a", 19, 23, 23, inner);
    expect(table.get("a")).toBe(inner);
  });

  it("say U+FFFD for half a surrogate, and are found by a name that is written with escapes", () => {
    const table = new FieldTable(Buffer.from(String.raw`{"\u0061\"":"\ud800"}`));
    table.set('a"', 1, 12, 20);
    expect(table.get('a"')).toBe(String.raw`"\ufffd"`);
    expect([...table.keys()]).toEqual(['a"']);
  });

  it("100,000 are found, and none of the others", () => {
    const names = Array.from({ length: 100_000 }, (_, index) => `user-${index}`);
    const json = names.map((one) => `"${one}":1`).join(",");
    const table = new FieldTable(Buffer.from(json));
    let at = 0;
    for (const one of names) {
      const start = at + one.length + 3;
      table.set(one, at, start, start + 1);
      at = start + 2;
    }
    expect(table.size).toBe(names.length);
    expect(names.every((one) => table.get(one) === "1")).toBe(true);
    expect(names.some((one) => table.get(`${one}-`) !== undefined)).toBe(false);
  });
});
