import { fileURLToPath } from "node:url";
import * as z from "zod";
import { boolean, bytes, duration, field, isMap, path, section, text } from "./fields.ts";
import { BUCKETS_KEYS, NATS_KEYS, natsSchema, type NatsSection } from "./nats-schema.ts";
import type { BridgeOptions, BundleOptions, DecisionLogOptions, ServerOptions } from "./options.ts";
import { parseHostPort } from "./servers.ts";
import type { BridgeConfig, BundleConfig, ServerConfig, ServiceConfig } from "./types.ts";

/** An OPA key that is accepted and has no effect here; `warningsOf` says so. */
const ignored = z.unknown().optional();

const labels = field<Readonly<Record<string, string>>>({}, (value, report) => {
  if (!isMap(value)) {
    report("must be a map from label to text");
    return {};
  }
  const pairs = Object.entries(value).filter((pair): pair is [string, string] => {
    const good = typeof pair[1] === "string";
    if (!good) report("a label is text; put it in quotes", [pair[0]]);
    return good;
  });
  return Object.fromEntries(pairs);
});

const services = field<Readonly<Record<string, ServiceConfig>>>({}, (value, report) => {
  const isList = Array.isArray(value);
  if (!isList && !isMap(value)) {
    report("must be a map from name to service, or a list of services");
    return {};
  }
  const read: [string, ServiceConfig][] = [];
  const entries: [string, unknown][] = Object.entries(value);
  for (const [key, service] of entries) {
    const at = [isList ? Number(key) : key];
    const name = isList && isMap(service) ? service["name"] : key;
    if (!isMap(service)) {
      report("a service must be a map with a url", at);
    } else if (typeof name !== "string" || name === "") {
      report("a service in a list needs a name; give one", [...at, "name"]);
    } else if (typeof service["url"] !== "string" || !URL.canParse(service["url"])) {
      report('a service needs a url; write "https://host/path"', [...at, "url"]);
    } else {
      read.push([name, { ...service, url: service["url"] }]);
    }
  }
  return Object.fromEntries(read);
});

const resource = text(undefined).transform((value, context) => {
  if (value === undefined) return undefined;
  try {
    return fileURLToPath(value);
  } catch {
    const message =
      "only a file of this machine is supported for now; write file:///absolute/path, or give file: with a path";
    context.addIssue({ code: "custom", message });
    return undefined;
  }
});

function bundleShape(baseDir: string) {
  return {
    file: path(baseDir),
    resource,
    polling: ignored,
    persist: ignored,
    trigger: ignored,
    size_limit_bytes: ignored,
  } satisfies Record<keyof BundleOptions, z.ZodType>;
}

const addr = field({ host: "127.0.0.1", port: 8181 }, (value, report) => {
  const address = typeof value === "string" ? parseHostPort(value) : "this is not text";
  if (typeof address !== "string") return { ...address, host: address.host || "0.0.0.0" };
  report(`${address}; write "127.0.0.1:8181", or ":8181" for every address of the machine`);
  return { host: "", port: 0 };
});

const decodingShape = { max_length: bytes(10 * 2 ** 20), gzip: ignored };

const serverShape = {
  addr,
  decoding: section(z.strictObject(decodingShape)),
  shutdown_grace_period: duration("10s"),
  shutdown_wait_period: duration("0s"),
  encoding: ignored,
  metrics: ignored,
} satisfies Record<keyof ServerOptions, z.ZodType>;

const server = z.strictObject(serverShape).transform((options): ServerConfig => {
  return {
    ...options.addr,
    maxBodyBytes: options.decoding.max_length,
    shutdownGraceMs: options.shutdown_grace_period,
    shutdownWaitMs: options.shutdown_wait_period,
  };
});

const decisionLogsShape = {
  console: boolean(false),
} satisfies Record<keyof DecisionLogOptions, z.ZodType>;

function rootShape(baseDir: string) {
  const nats = natsSchema(baseDir);
  const bundle = z.strictObject(bundleShape(baseDir));
  return {
    nats: nats.nullish(),
    plugins: section(z.strictObject({ nats: section(nats) })),
    bundle: bundle.nullish(),
    bundles: z.record(z.string(), bundle).nullish(),
    server: section(server),
    decision_logs: section(z.strictObject(decisionLogsShape)),
    default_decision: text("/system/main"),
    labels,
    services,
    keys: ignored,
    caching: ignored,
    status: ignored,
    persistence_directory: ignored,
    default_authorization_decision: ignored,
    nd_builtin_cache: ignored,
  } satisfies Record<keyof BridgeOptions, z.ZodType>;
}

/** The whole configuration but for its warnings; relative paths start at `baseDir`. */
export function configSchema(baseDir: string): z.ZodType<Omit<BridgeConfig, "warnings">> {
  return z.strictObject(rootShape(baseDir)).transform((options) => {
    const { nats, watch, policy }: NatsSection = options.nats ?? options.plugins.nats;
    const given = Object.entries({
      ...options.bundles,
      ...(options.bundle ? { bundle: options.bundle } : {}),
    });
    const bundles = given.map(([name, { file, resource }]): BundleConfig => ({
      name,
      file: file ?? resource ?? "",
    }));
    return {
      nats,
      watch,
      policy,
      bundles,
      server: options.server,
      decisionLogs: options.decision_logs,
      defaultDecision: options.default_decision,
      labels: options.labels,
      services: options.services,
    };
  });
}

const KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(rootShape("."))],
  ["plugins", ["nats"]],
  ["plugins.nats", NATS_KEYS],
  ["plugins.nats.buckets", BUCKETS_KEYS],
  ["bundles.*", Object.keys(bundleShape("."))],
  ["server", Object.keys(serverShape)],
  ["server.decoding", Object.keys(decodingShape)],
  ["decision_logs", Object.keys(decisionLogsShape)],
]);

/** The keys of the map at a path in the form of {@link canonicalPath}, for suggestions. */
export function knownKeys(path: string): readonly string[] {
  return KEYS.get(path) ?? [];
}

/**
 * A path in the form the tables use: the short forms written out, and `*` for the name of a bundle.
 */
export function canonicalPath(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path.map(String);
  if (first === undefined) return "";
  if (first === "nats") return ["plugins", "nats", ...rest].join(".");
  if (first === "bundle") return ["bundles", "*", ...rest].join(".");
  if (first === "bundles" && rest.length > 0) return ["bundles", "*", ...rest.slice(1)].join(".");
  return [first, ...rest].join(".");
}
