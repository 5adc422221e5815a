import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { substituteEnv } from "../../../src/config/env.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { knownKeys } from "../../../src/config/schema.ts";
import { ERROR_CODES } from "../../../src/errors.ts";

const ROOT = new URL("../../../", import.meta.url);
const README = readFileSync(new URL("README.md", ROOT), "utf8");

/** The cells of the table whose head starts with this. */
function table(head: string): string[][] {
  const lines = README.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${head} `));
  expect(start).toBeGreaterThan(0);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
}

function snippet(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "m").exec(README);
  expect(found).not.toBeNull();
  return found![1]!;
}

/** Maps of keys; the keys themselves are documented under them. */
const MAPS = [
  "plugins",
  "plugins.nats",
  "plugins.nats.buckets",
  "bundles.*",
  "server",
  "server.decoding",
  "decision_logs",
];

function documentedKeys(): string[] {
  return table("Key").flatMap(([keys]) => quoted(keys!));
}

function keysOfTheSchema(): string[] {
  const all = ["", ...MAPS].flatMap((path) =>
    knownKeys(path).map((key) => (path === "" ? key : `${path}.${key}`)),
  );
  return all.filter((key) => !MAPS.includes(key) && key !== "bundles");
}

describe("the README's configuration table", () => {
  it("has every key of the schema, and no other", () => {
    expect(documentedKeys().toSorted()).toEqual(keysOfTheSchema().toSorted());
    expect(keysOfTheSchema().length).toBeGreaterThan(50);
  });

  it("has defaults that change nothing when they are written out", () => {
    const defaults = table("Key").filter(([, value]) => value !== "");
    expect(defaults.length).toBeGreaterThan(20);
    const usual = parseConfig({});
    for (const [keys, value] of defaults) {
      const [key] = quoted(keys!);
      const given: unknown = JSON.parse(quoted(value!)[0]!);
      expect([key, parseConfig(nested(key!.split("."), given))]).toEqual([key, usual]);
    }
  });

  it("has a default for every key that has one", () => {
    // A key has none when the configuration of defaults says nothing of it.
    const without = table("Key")
      .filter(([, value]) => value === "")
      .flatMap(([keys]) => quoted(keys!));
    const expected =
      /\.(credentials|token|username|password|user_jwt|user_nkey_seed|tls_cert|tls_key|tls_ca_cert)(_file)?$|retry_on_failed_connect$|^nats$|^bundle|^(keys|caching|status|persistence_directory|default_authorization_decision|nd_builtin_cache)$|^server\.(encoding|metrics|decoding\.gzip)$/;
    expect(without.filter((key) => !expected.test(key))).toEqual([]);
  });
});

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

describe("the README's error table", () => {
  it("has every code with its meaning, and no other", () => {
    const rows = table("Code").map(([code, retry, meaning]) => [quoted(code!)[0], retry, meaning]);
    const codes = Object.entries(ERROR_CODES).map(([code, { retryable, meaning }]) => {
      return [code, retryable ? "yes" : "no", meaning];
    });
    expect(rows).toEqual(codes);
  });
});

describe("the README", () => {
  it("shows a configuration that is accepted without a warning", () => {
    const { text, warnings } = substituteEnv(snippet("yaml"), { NATS_TOKEN: "t" });
    const config = parseConfig(parseYaml(text));
    expect([warnings, config.warnings]).toEqual([[], []]);
    expect(config.watch.rootBucket).toBe("permit-groups-default");
    expect(config.bundles).toHaveLength(1);
  });

  it("names scripts, files and programs that are there", () => {
    const { scripts, bin } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")) as {
      scripts: Record<string, string>;
      bin: Record<string, string>;
    };
    expect(README).toContain("npm ci && npm run demo ");
    expect(README).toContain("npm ci && npm test ");
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["demo", "test"]));
    expect(README).toContain(`npx ${Object.keys(bin)[0]} serve`);
    const links = [...README.matchAll(/\]\((?!https:)([^)]+)\)/g)].map(([, path]) => path!);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((path) => !existsSync(fileURLToPath(new URL(path, ROOT))))).toEqual([]);
  });
});
