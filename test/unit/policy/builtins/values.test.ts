import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { goFormat } from "../../../../src/policy/builtins/go-format.ts";
import { globsIntersect } from "../../../../src/policy/builtins/globs-intersect.ts";
import type { Builtin } from "../../../../src/policy/builtins/registry.ts";
import { standardBuiltins } from "../../../../src/policy/builtins/standard.ts";
import { identity } from "../../../../src/policy/builtins/value.ts";
import { parseValue, valueText } from "../../../../src/policy/builtins/value-text.ts";
import { Query } from "../../../../src/policy/query.ts";

const builtins: ReadonlyMap<string, Builtin> = new Map(standardBuiltins());

function call(name: string, ...args: string[]): string | undefined {
  return builtins.get(name)!(args, new Query(false));
}

describe("values of builtins", () => {
  it("are read and written to the digit, with sets and keys of any kind", () => {
    for (const text of [
      "12345678901234567890123",
      "1.50",
      "set()",
      '{"a":{1,2}}',
      "{1:[null,true]}",
    ]) {
      expect(valueText(parseValue(text))).toBe(text);
    }
  });

  it("are the same JSON after being read and written", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        // What JavaScript reads is compared, as objects come back in the order of their names.
        expect(JSON.parse(valueText(parseValue(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("are equal by value: 1 is 1.0 and 1e0, and not 1.1", () => {
    const texts = ["1", "1.0", "1e0", "10e-1"].map((text) => identity(parseValue(text)));
    expect(new Set(texts).size).toBe(1);
    expect(identity(parseValue("1.1"))).not.toBe(texts[0]);
  });

  it("takes names such as __proto__ for ordinary ones", () => {
    const answer = call(
      "json.patch",
      '{"__proto__":1}',
      '[{"op":"add","path":"/constructor","value":2}]',
    );
    expect(answer).toBe('{"__proto__":1,"constructor":2}');
    expect(call("urlquery.decode_object", '"__proto__=x"')).toBe('{"__proto__":["x"]}');
    expect(() => call("time.parse_duration_ns", '"1constructor"')).toThrow("unknown unit");
  });
});

describe("builtins", () => {
  it("P2 answers the same number, UUID and time throughout a query", () => {
    const query = new Query(false);
    for (const [name, args] of [
      ["rand.intn", ['"dice"', "1000000000"]],
      ["uuid.rfc4122", ['"request"']],
      ["time.now_ns", []],
    ] as const) {
      const first = builtins.get(name)!(args, query);
      query.begin();
      expect(builtins.get(name)!(args, query)).toBe(first);
    }
  });

  it("formats as Go does", () => {
    const values = parseValue('[1, 2.5, "x", {"a": {1, 2}}, 12345678901234567890123]');
    expect(goFormat("%05d|%-6.2f|%q|%v|%d", values as never)).toBe(
      '00001|2.50  |"x"|{"a": {1, 2}}|12345678901234567890123',
    );
    expect(goFormat("%d %d", parseValue("[1]") as never)).toBe("1 %!d(MISSING)");
    expect(goFormat("%s", parseValue("[1, 2]") as never)).toBe("%!s(int64=1)%!(EXTRA int64=2)");
    expect(goFormat("%[2]v %[1]v", parseValue('["a", "b"]') as never)).toBe("b a");
    expect(goFormat("%v %v", parseValue("[1e21, 0.00001]") as never)).toBe("1e+21 1e-05");
    const floats = "[1234567.5, 1e20, 1234567.5, 123456.5, 1234567.5, 1e-5, 7.5, 7.5, 1000.5]";
    expect(goFormat("%v|%v|%g|%v|%.3g|%G|%+v|%#v|%#x", parseValue(floats) as never)).toBe(
      "1.2345675e+06|1e+20|1.2345675e+06|123456.5|1.23e+06|1E-05|7.5|7.5|0x1.f440p+09",
    );
    expect(goFormat("%+v %+d", parseValue("[1, 1]") as never)).toBe("1 +1");
    expect(() => goFormat("%1000000[1]d".repeat(40), parseValue("[1]") as never)).toThrow("longer");
  });

  it("takes no pattern that hangs the process", () => {
    const text = JSON.stringify("a".repeat(50_000) + "!");
    const start = performance.now();
    expect(call("regex.replace", text, '"(a+)+$"', '"x"')).toBe(text);
    expect(globsIntersect("a*".repeat(100) + "b", "[ab]*".repeat(100) + "c")).toBe(false);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it("makes nothing without bounds", () => {
    expect(() => call("numbers.range_step", "0", "1e15", "1")).toThrow("more than");
    expect(() => call("net.cidr_expand", '"10.0.0.0/8"')).toThrow("more than");
    const bomb = ["a: &a [x,x]", ...Array.from("bcdefghijklmnopqrstuvw")].map((name, index, all) =>
      index === 0
        ? name
        : `${name}: &${name} [*${all[index - 1]!.slice(0, 1)},*${all[index - 1]!.slice(0, 1)}]`,
    );
    expect(() => call("yaml.unmarshal", JSON.stringify(bomb.join("\n")))).toThrow("aliasing");
  });

  it("tells the time of zones with their own clock changes", () => {
    // 2024-03-31T00:59:59Z and a second later, when clocks in Berlin go to summer time.
    const at = (seconds: number): string | undefined =>
      call("time.format", `[${BigInt(seconds) * 1_000_000_000n}, "Europe/Berlin", "RFC822"]`);
    expect(at(1_711_846_799)).toBe('"31 Mar 24 01:59 CET"');
    expect(at(1_711_846_800)).toBe('"31 Mar 24 03:00 CEST"');
    expect(call("time.parse_rfc3339_ns", '"2024-03-31T02:00:00.000000001+02:00"')).toBe(
      "1711843200000000001",
    );
  });

  it("says what was wrong with its arguments in OPA's words", () => {
    expect(() => call("strings.count", "1", '""')).toThrow(
      "operand 1 must be string but got number",
    );
    expect(() => call("semver.compare", '"1"', '"1.0.0"')).toThrow(
      'operand 1: string "1" is not a valid SemVer',
    );
  });
});

it.each([
  ["long", "x".repeat(10_000_000)],
  ["full of quotes", '"'.repeat(1_000_000)],
  ["full of backslashes", "\\".repeat(1_000_001)],
])("reads a string that is %s", (_, text) => {
  expect(parseValue(`[${JSON.stringify(text)}, 1]`)).toMatchObject([text, {}]);
});
