import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { knownKeys } from "../../../src/config/schema.ts";
import { ERROR_CODES } from "../../../src/errors.ts";

const ROOT = new URL("../../../", import.meta.url);
const README = readFileSync(new URL("README.md", ROOT), "utf8");

/** Every table whose head starts with this: the first cell of the head, and the cells of its rows. */
function tables(head: string): { title: string; rows: string[][] }[] {
  const lines = README.split("\n");
  const cells = (line: string): string[] =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
  return lines.flatMap((line, start) => {
    if (!line.startsWith(`| ${head} `)) return [];
    const end = lines.findIndex((later, index) => index > start && !later.startsWith("|"));
    return [{ title: cells(line)[0]!, rows: lines.slice(start + 2, end).map(cells) }];
  });
}

/** What the configuration's tables say; a table's head names what its keys are under, if anything. */
function options(): { keys: string[]; value: string }[] {
  return tables("Key").flatMap(({ title, rows }) => {
    const [section] = quoted(title);
    return rows.map(([keys, value]) => ({
      keys: quoted(keys!).map((key) => (section === undefined ? key : `${section}.${key}`)),
      value: value!,
    }));
  });
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
}

/** Maps of keys; the keys themselves are documented under them. */
const MAPS = [
  "plugins",
  "plugins.nats",
  "plugins.nats.buckets",
  "bundles.*",
  "bundles.*.polling",
  "bundles.*.signing",
  "keys",
  "keys.*",
  "server",
  "server.decoding",
  "server.tls",
  "server.encoding",
  "server.encoding.gzip",
  "decision_logs",
  "decision_logs.nats",
  "decision_logs.reporting",
  "decision_logs.request_context",
  "decision_logs.request_context.http",
  "feed",
  "writes",
  "writes.buckets",
  "outbound",
];

function documentedKeys(): string[] {
  return options().flatMap(({ keys }) => keys);
}

function keysOfTheSchema(): string[] {
  const all = ["", ...MAPS].flatMap((path) =>
    knownKeys(path).map((key) => (path === "" ? key : `${path}.${key}`)),
  );
  return all.filter((key) => !MAPS.includes(key) && key !== "bundles");
}

describe("the README's tables of the configuration", () => {
  it("have every key of the schema, and no other", () => {
    expect(documentedKeys().toSorted()).toEqual(keysOfTheSchema().toSorted());
    expect(keysOfTheSchema().length).toBeGreaterThan(50);
  });

  it("have defaults that change nothing when they are written out", () => {
    const defaults = options().filter(({ value }) => value !== "");
    expect(defaults.length).toBeGreaterThan(20);
    const usual = parseConfig({});
    for (const { keys, value } of defaults) {
      const [key] = keys;
      const given: unknown = JSON.parse(quoted(value)[0]!);
      // A section that is there without what would make it useful is warned of.
      const config = { ...parseConfig(nested(key!.split("."), given)), warnings: [] };
      expect([key, config]).toEqual([key, usual]);
    }
  });

  it("have a default for every key that has one", () => {
    // A key has none when the configuration of defaults says nothing of it.
    const without = options()
      .filter(({ value }) => value === "")
      .flatMap(({ keys }) => keys);
    const expected =
      /\.(credentials|token|username|password|user_jwt|user_nkey_seed|tls_cert|tls_key|tls_ca_cert)(_file)?$|^server\.(token_file|tls\..*)$|server_urls_file$|retry_on_failed_connect$|^decision_logs\.(service$|nats|reporting\.(m.._delay|max_decisions))|^nats$|^bundle|^keys\.|^(caching|status|persistence_directory)$|^server\.(metrics|decoding\.gzip)$/;
    expect(without.filter((key) => !expected.test(key))).toEqual([]);
  });
});

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

describe("the README's error table", () => {
  it("has every code with its meaning, and no other", () => {
    const [table] = tables("Code");
    const rows = table?.rows.map(([code, ...rest]) => [quoted(code!)[0], ...rest]);
    const codes = Object.entries(ERROR_CODES).map(([code, { retryable, meaning }]) => {
      return [code, retryable ? "yes" : "no", meaning];
    });
    expect(rows).toEqual(codes);
  });
});

describe("the README", () => {
  it("names the scripts and the program of its first commands", () => {
    const { scripts, bin } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")) as {
      scripts: Record<string, string>;
      bin: Record<string, string>;
    };
    expect(README).toContain("npm ci && npm run demo ");
    expect(README).toContain("npm ci && npm test ");
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["demo", "test"]));
    expect(README).toContain(`npx ${Object.keys(bin)[0]} serve`);
  });
});
