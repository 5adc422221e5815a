import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readDocument, ROOT } from "../../docs/blocks.ts";

interface LintConfig {
  readonly overrides: readonly {
    readonly rules: Readonly<Record<string, unknown>>;
  }[];
}

/** What each folder of src may import, as the messages of the lint rules say it. */
function enforced(): Map<string, string> {
  const { overrides } = JSON.parse(readFileSync(`${ROOT}.oxlintrc.json`, "utf8")) as LintConfig;
  const rules = JSON.stringify(overrides.map(({ rules }) => rules["no-restricted-imports"]));
  const messages = rules.matchAll(/src\/(\w+) imports only: ([^"]*?) \(see the layers/g);
  return new Map([...messages].map(([, folder, what]) => [folder!, what!]));
}

/** The same, as the table of the house says it. */
function described(): Map<string, string> {
  const rows = readDocument("CONTRIBUTING.md").matchAll(/^\| `src\/(\w+)` \|.*\| ([^|]+) \|$/gm);
  return new Map([...rows].map(([, folder, what]) => [folder!, what!]));
}

/** Files and folders that a document names in code, those with a wildcard aside. */
function paths(file: string): string[] {
  const spans = [...readDocument(file).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);
  return spans.filter((text) => /^(src|test|scripts|docs|\.ci|\.oxlintrc)[\w./-]*$/.test(text));
}

describe("CONTRIBUTING.md", () => {
  it("says of each folder what lint lets it import", () => {
    const table = described();
    expect(enforced().size).toBeGreaterThan(9);
    // Nothing holds the commands back, so no rule names them.
    expect(table.get("cli")).toBe("anything");
    table.delete("cli");
    expect(Object.fromEntries(table)).toEqual(Object.fromEntries(enforced()));
  });

  it("names files and folders that are there", () => {
    const named = paths("CONTRIBUTING.md");
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((path) => !existsSync(ROOT + path))).toEqual([]);
  });

  it("names functions and types that are where it says", () => {
    const named = [
      ["src/decision-recording.ts", "function sinksOf("],
      ["src/cli/source.ts", "function configOf("],
      ["src/config/bundles.ts", "function sourceOf("],
      ["src/config/public.ts", "function publicBundle("],
      ["src/bundles/bundles-of.ts", "function sourceOf("],
      ["src/config/types.ts", "type BundleSourceConfig ="],
      ["src/config/types.ts", "interface DecisionLogConfig "],
      ["src/policy/builtins/registry.ts", "function family("],
      ["src/policy/query.ts", "class Suspension "],
      ["src/decisions/sink.ts", "interface DecisionSink "],
      ["src/bundles/source.ts", "interface BundleSource "],
    ] as const;
    const text = readDocument("CONTRIBUTING.md");
    for (const [file, declaration] of named) {
      expect([file, text.includes(`\`${file}\``)]).toEqual([file, true]);
      const name = /\w+(?=\W*$)/.exec(declaration)![0];
      expect([name, text.includes(name)]).toEqual([name, true]);
      expect([file, readFileSync(ROOT + file, "utf8").includes(declaration)]).toEqual([file, true]);
    }
  });
});

describe("SECURITY.md", () => {
  it("names the versions that the package and the tests have", () => {
    const text = readDocument("SECURITY.md");
    const { engines } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
      engines: { node: string };
    };
    expect(text).toContain(`| Node | ${engines.node.replace(">=", "")} and later. |`);
    const [, oldest] = /OLDEST_NATS_VERSION = "([\d.]+)"/.exec(
      readFileSync(`${ROOT}src/tools/provide-tool.ts`, "utf8"),
    )!;
    expect(text).toContain(`| nats-server | ${oldest} and later;`);
  });

  it("is right that nothing that is installed runs a script", () => {
    const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8")) as {
      packages: Record<string, { dev?: boolean; hasInstallScript?: boolean }>;
    };
    const installed = Object.entries(packages).filter(([, { dev }]) => dev !== true);
    expect(installed.length).toBeGreaterThan(20);
    const scripted = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(scripted.map(([path]) => path)).toEqual([]);
  });
});
