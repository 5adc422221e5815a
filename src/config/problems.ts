import type * as z from "zod";
import { BridgeError, quote } from "../errors.ts";
import { isFileContent } from "./fields.ts";
import { canonicalPath, knownKeys } from "./schema.ts";
import { HIDDEN } from "./secret.ts";
import { redactAddress } from "./servers.ts";

/** One thing that is wrong with a configuration. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  /** What is wrong, and the remedy. */
  readonly message: string;
  /** Whether the value helps to understand the message; it may still be hidden. Default true. */
  readonly showValue?: boolean;
}

const SECRET_KEYS: ReadonlySet<PropertyKey> = new Set([
  "token",
  "password",
  "user_jwt",
  "user_nkey_seed",
  "private_key_passphrase",
  "key",
]);

/** Keys that exist elsewhere, by canonical path: why they are refused, and what to do instead. */
const FOREIGN_KEYS: ReadonlyMap<string, string> = new Map([
  [
    "plugins.nats.bucket",
    "a single bucket for all tenants is not supported; keep one bucket per tenant, and name the one for the top of data in root_bucket",
  ],
  [
    "plugins.nats.root_tenant",
    "a single bucket for all tenants is not supported; keep one bucket per tenant, and name the root tenant's in root_bucket",
  ],
  ["plugins.nats.handled_paths_regex", "never had an effect in the Go plugin; remove the key"],
  ["plugins.nats.log_level", "never had an effect in the Go plugin; remove the key"],
  [
    "discovery",
    "a configuration from a discovery bundle is not supported; write the configuration into this file",
  ],
  ["decision_logs.plugin", "there are no plugins here; use console or service, and remove the key"],
  ["distributed_tracing", "tracing is not supported; remove the key"],
  ["storage", "data is kept in memory only; remove the key"],
]);

/** Unknown keys of these maps, by the map's canonical path. */
const UNKNOWN_IN: ReadonlyMap<string, string> = new Map([
  ["plugins", "the bridge has no such plugin, only nats; remove it"],
]);

/** The problems that the schema found. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const { path } = issue;
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownKey([...path, key]));
    }
    if (issue.code === "custom") return [{ path, message: issue.message }];
    // The only other thing that the schema asks for is a map.
    const where = path.length === 0 ? "the configuration" : "the value";
    return [{ path, message: `${where} must be a map of keys`, showValue: false }];
  });
}

/**
 * A key that the schema doesn't have. Its value is not shown: it may be a secret under a mistyped
 * name.
 */
function unknownKey(path: readonly PropertyKey[]): Problem {
  const parent = canonicalPath(path.slice(0, -1));
  const key = String(path.at(-1));
  const foreign = FOREIGN_KEYS.get(canonicalPath(path));
  const suggestion = foreign === undefined ? nearest(key, knownKeys(parent)) : undefined;
  const message =
    foreign ??
    (suggestion === undefined
      ? (UNKNOWN_IN.get(parent) ?? "unknown key; remove it")
      : `unknown key; did you mean "${suggestion}"?`);
  return { path, message, showValue: false };
}

/**
 * Keys that mean something to JavaScript rather than to a configuration, anywhere in it. The schema
 * reports them where it knows the keys of a map; this also looks into the maps with free names.
 */
export function forbiddenKeys(value: unknown, path: readonly PropertyKey[] = []): Problem[] {
  return walk(value, path, new Set());
}

function walk(value: unknown, path: readonly PropertyKey[], seen: Set<object>): Problem[] {
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  return Object.entries(value).flatMap(([key, item]) => {
    const here = [...path, Array.isArray(value) ? Number(key) : key];
    const forbidden = key === "__proto__" || key === "constructor" || key === "prototype";
    return forbidden ? [unknownKey(here)] : walk(item, here, seen);
  });
}

/** One error for all problems; `input` is what they were found in. */
export function configError(
  source: string,
  input: unknown,
  problems: readonly Problem[],
): BridgeError {
  const lines = new Set(problems.map((problem) => `  ${lineOf(problem, input)}`));
  const count = lines.size === 1 ? "a problem" : `${lines.size} problems`;
  return new BridgeError("CONFIG_INVALID", [`${source} has ${count}:`, ...lines].join("\n"));
}

function lineOf({ path, message, showValue = true }: Problem, input: unknown): string {
  const shown = showValue ? shownValue(path, input) : undefined;
  const place = formatPath(path);
  if (shown === undefined) return place === "" ? message : `${place}: ${message}`;
  return `${place} = ${shown}: ${message}`;
}

/** A path as it would be written: `plugins.nats.server_url[1]`, `labels["a b"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    const name = String(key);
    if (!/^[A-Za-z_][\w-]{0,63}$/.test(name)) return `${text}[${quote(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

/** The value at a path for a message; undefined when there is none to show. */
function shownValue(path: readonly PropertyKey[], input: unknown): string | undefined {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  if (value === undefined || value === null) return undefined;
  if (path.some((key) => SECRET_KEYS.has(key))) return HIDDEN;
  if (typeof value === "string") return shownText(value, path);
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "a map";
  return quote(value);
}

function shownText(text: string, path: readonly PropertyKey[]): string {
  if (isFileContent(text)) return HIDDEN;
  const isAddress = path.some((key) => key === "server_url" || key === "url" || key === "addr");
  return quote(isAddress || text.includes("://") ? redactAddress(text) : text);
}

/** The known key that a mistyped one most likely stands for: at most two edits away. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  // Programs like to write camelCase or dashes.
  const plain = key
    .slice(0, 64)
    .replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replaceAll("-", "_");
  let best: string | undefined;
  let least = Math.min(3, plain.length);
  for (const candidate of known) {
    const edits = Math.min(distance(plain, candidate), distance(key.slice(0, 64), candidate));
    if (edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
