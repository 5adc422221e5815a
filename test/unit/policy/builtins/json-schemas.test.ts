import { describe, expect, it } from "vitest";
import { schemaBuiltins } from "../../../../src/policy/builtins/json-schemas.ts";
import { Query } from "../../../../src/policy/query.ts";

const builtins = new Map(schemaBuiltins);

function call(name: string, ...args: unknown[]): unknown {
  const texts = args.map((argument) => JSON.stringify(argument));
  return JSON.parse(builtins.get(`json.${name}_schema`)!(texts, new Query(true))!);
}

/** The errors, as `field: type`. */
function errors(document: unknown, schema: unknown): string[] {
  const [ok, found] = call("match", document, schema) as [boolean, Record<string, string>[]];
  expect(ok).toBe(found.length === 0);
  return found.map(({ field, type }) => `${field}: ${type}`);
}

describe("json.match_schema", () => {
  it("says in OPA's words what does not hold, and where", () => {
    const schema = {
      type: "object",
      required: ["id"],
      additionalProperties: false,
      properties: { id: {}, list: { items: { type: "integer", maximum: 3 }, uniqueItems: true } },
    };
    expect(call("match", { list: [1, 5, 5], x: 1 }, schema)).toEqual([
      false,
      expect.arrayContaining([
        {
          field: "(root)",
          type: "required",
          desc: "id is required",
          error: "(root): id is required",
        },
        {
          field: "list.1",
          type: "number_lte",
          desc: "Must be less than or equal to 3",
          error: "list.1: Must be less than or equal to 3",
        },
      ]),
    ]);
    expect(errors({ list: [1, 5, 5], x: 1 }, schema).toSorted()).toEqual([
      "(root): additional_property_not_allowed",
      "(root): required",
      "list.1: number_lte",
      "list.2: number_lte",
      "list: unique",
    ]);
    expect(errors({ id: 1, list: [1, 2] }, schema)).toEqual([]);
  });

  it("knows drafts 4, 6 and 7, and schemas that name none", () => {
    const four = { $schema: "http://json-schema.org/draft-04/schema#" };
    const old = { properties: { a: { minimum: 1, exclusiveMinimum: true } } };
    expect(errors({ a: 1 }, { ...four, ...old })).toEqual(["a: number_gt"]);
    expect(errors({ a: 1 }, old)).toEqual(["a: number_gt"]);
    const six = { $schema: "http://json-schema.org/draft-06/schema#" };
    expect(errors({ a: 1 }, { ...six, properties: { a: { const: 2 } } })).toEqual(["a: const"]);
    const seven = { $schema: "http://json-schema.org/draft-07/schema#" };
    const choice: unknown = JSON.parse('{"if": {"required": ["a"]}, "then": {"required": ["b"]}}');
    expect(errors({ a: 1 }, { ...seven, ...(choice as object) })).toContain(
      "(root): condition_then",
    );
  });

  it.each([
    ["date", "2024-02-29", "2023-02-29"],
    ["date-time", "2024-01-01T00:00:00Z", "2024-01-01 00:00"],
    ["ipv4", "1.2.3.4", "1.2.3.256"],
    ["ipv6", "::1", "::g"],
    ["email", "a@b.c", "a"],
    ["hostname", "a-b.example", "-a"],
    ["uuid", "550e8400-e29b-41d4-a716-446655440000", "550e8400"],
    ["uri", "https://example.com/a", "/a"],
    ["regex", "a+", "("],
    ["json-pointer", "/a/0", "a"],
  ])("checks the format %s", (format, right, wrong) => {
    const schema = { properties: { a: { type: "string", format } } };
    expect(errors({ a: right }, schema)).toEqual([]);
    expect(errors({ a: wrong }, schema)).toEqual(["a: format"]);
  });

  it("takes time in proportion to the document, whatever the schema", () => {
    const started = performance.now();
    const schema = { properties: { a: { pattern: "^(a+)+$" }, b: { uniqueItems: true } } };
    const document = {
      a: `${"a".repeat(50_000)}b`,
      b: Array.from({ length: 50_000 }, (_, i) => i),
    };
    expect(errors(document, schema)).toEqual(["a: pattern"]);
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it("refuses schemas that are none, and follows no reference to elsewhere", () => {
    const elsewhere = { $ref: "http://127.0.0.1/schema.json" };
    expect(() => call("match", {}, elsewhere)).toThrow("can't resolve reference");
    expect(call("verify", elsewhere)).toEqual([false, expect.stringContaining("reference")]);
    expect(call("verify", { type: "unknown" })).toEqual([
      false,
      "jsonschema: has a primitive type that is NOT VALID -- given: /unknown/ Expected valid values are:[array boolean integer number null object string]",
    ]);
    expect(call("verify", { properties: { a: { pattern: "(" } } })).toMatchObject([
      false,
      expect.any(String),
    ]);
    expect(call("verify", "no JSON")).toMatchObject([false, expect.any(String)]);
    expect(call("verify", '{"type": "object"}')).toEqual([true, null]);
    const endless = { properties: { a: { $ref: "#/definitions/a" } } };
    expect(() => call("match", {}, endless)).toThrow("can't resolve reference");
  });
});
