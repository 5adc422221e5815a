import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderTemplate } from "../../../../src/policy/builtins/templates/render.ts";
import type { RegoObject } from "../../../../src/policy/builtins/value.ts";
import { parseValue } from "../../../../src/policy/builtins/value-text.ts";

/** What Go's own package made of the templates, as OPA hands them to it. */
const { variables, cases } = JSON.parse(
  readFileSync(new URL("template-cases.json", import.meta.url), "utf8"),
) as {
  variables: string;
  cases: { template: string; result?: string; error?: string }[];
};

function render(template: string, data = variables): string {
  return renderTemplate(template, parseValue(data) as RegoObject);
}

/** Go sometimes says of a value no more than that it is in an interface. */
function withoutType(message: string | undefined): string | undefined {
  return message?.replace(/ in type .*$/, "");
}

function errorOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("strings.render_template", () => {
  it("writes what Go writes", () => {
    const expected = cases.filter(({ result }) => result !== undefined);
    expect(expected.length).toBeGreaterThan(100);
    for (const { template, result } of expected) {
      expect([template, render(template)]).toEqual([template, result]);
    }
  });

  it("fails where Go fails, and says where and why as Go does", () => {
    const expected = cases.filter(({ error }) => error !== undefined);
    expect(expected.length).toBeGreaterThan(100);
    for (const { template, error } of expected) {
      const message = errorOf(() => render(template));
      expect([template, withoutType(message)]).toEqual([template, withoutType(error)]);
    }
  });

  it("takes no variables that OPA can't hand over as JSON", () => {
    for (const data of [
      '{"a":{1,2}}',
      '{"a":[set()]}',
      '{"a":{1:2}}',
      '{"a":"\\u0001"}',
      '{"a":"\\\\\\u0007"}',
      '{"\\u007f":1}',
    ]) {
      expect(() => render("x", data)).toThrow(/variables can't have/);
    }
    expect(render("{{.a}}", '{"a":"\\\\a \\n\\t\\u200b\\u00e9"}')).toBe("\\a \n\t\u200bé");
  });

  it("ends what would not end, or would write without end", () => {
    const text = `{"text":${JSON.stringify("x".repeat(100_000))}}`;
    const endless: [template: string, data?: string][] = [
      ["{{range 9223372036854775807}}{{end}}"],
      ['{{define "T"}}{{template "T"}}{{end}}{{template "T"}}'],
      ['{{define "T"}}{{range 9}}{{template "T"}}{{end}}{{end}}{{template "T"}}'],
      ['{{$x := "xx"}}{{range 1000}}{{$x = print $x $x}}{{end}}'],
      ['{{$x := "xx"}}{{range 1000}}{{$x = printf "%s%s" $x $x}}{{end}}'],
      ['{{$x := "<<"}}{{range 1000}}{{$x = html $x $x}}{{end}}'],
      ["{{range 1000000}}{{.}} and on{{end}}"],
      [`{{printf "${"%1000000[1]d".repeat(1_000)}" 1}}`],
      ["{{range 900000}}{{if len $.text}}{{end}}{{end}}", text],
      ["{{range 900000}}{{if eq $.text $.text}}{{end}}{{end}}", text],
      ["{{range 900000}}{{$x := slice $.text 1}}{{end}}", text],
      ["{{range 900000}}{{$x := print $}}{{end}}", text],
      [`{{$y := 1}}${"{{$x := 1}}".repeat(30_000)}{{range 100000}}{{if $y}}{{end}}{{end}}`],
      ["{{range 100}}{{$.text}}{{end}}", text],
      [`${"{{if 1}}".repeat(10_000)}${"{{end}}".repeat(10_000)}`],
      [`{{${"(".repeat(10_000)}1${")".repeat(10_000)}}}`],
      [`{{if 0}}${"{{else if 0}}".repeat(10_000)}{{end}}`],
      ["x".repeat(2 ** 21)],
    ];
    for (const [template, data] of endless) {
      expect(errorOf(() => render(template, data)) ?? template.slice(0, 80)).toMatch(
        /takes more than|writes more than|depth|longer than|of more than/,
      );
    }
  });

  it("has room for what a policy may well want", () => {
    const names = JSON.stringify({ names: Array.from({ length: 20_000 }, (_, id) => `n${id}`) });
    const rendered = render(
      '{{range $i, $n := .names}}{{if $i}}, {{end}}{{printf "%05d" $i}}={{$n | html}}{{end}}',
      names,
    );
    expect(rendered.split(", ")).toHaveLength(20_000);
    expect(render("{{/* c */}}".repeat(20_000) + "{{1}}".repeat(20_000))).toHaveLength(20_000);
  });
});
