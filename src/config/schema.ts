import { resolve as resolvePath } from "node:path";
import * as z from "zod";
import { BUNDLE_KEYS, bundleConfig, bundleSchema, keysSchema } from "./bundles.ts";
import { DECISION_LOG_KEYS, decisionLogs, type DecisionLogSection } from "./decision-logs.ts";
import { FEED_KEYS, feedSchema } from "./feed-schema.ts";
import { boolean, field, isMap, path, section, text } from "./fields.ts";
import { BUCKETS_KEYS, NATS_KEYS, natsSchema, type NatsSection } from "./nats-schema.ts";
import type { BridgeOptions } from "./options.ts";
import { SERVER_KEYS, serverSchema } from "./server-schema.ts";
import { outbound, OUTBOUND_KEYS } from "./outbound.ts";
import { resourceOf } from "./services.ts";
import { writes, WRITES_KEYS } from "./writes.ts";
import type { BridgeConfig, DecisionLogConfig, ServiceConfig } from "./types.ts";

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

function rootShape(baseDir: string) {
  const nats = natsSchema(baseDir);
  const bundle = bundleSchema(baseDir);
  return {
    nats: nats.nullish(),
    plugins: section(z.strictObject({ nats: section(nats) })),
    bundle: bundle.nullish(),
    bundles: z.record(z.string(), bundle).nullish(),
    server: section(serverSchema(baseDir)),
    feed: section(feedSchema),
    decision_logs: decisionLogs,
    writes,
    outbound,
    default_decision: text("/system/main"),
    labels,
    services,
    keys: keysSchema(baseDir),
    caching: ignored,
    status: ignored,
    persistence_directory: path(baseDir),
    default_authorization_decision: text("/system/authz/allow"),
    nd_builtin_cache: boolean(false),
  } satisfies Record<keyof BridgeOptions, z.ZodType>;
}

/** The whole configuration but for its warnings; relative paths start at `baseDir`. */
export function configSchema(baseDir: string): z.ZodType<Omit<BridgeConfig, "warnings">> {
  return z.strictObject(rootShape(baseDir)).transform((options, context) => {
    const { nats, watch, policy }: NatsSection = options.nats ?? options.plugins.nats;
    const { services, keys } = options;
    const report = (message: string, path: readonly PropertyKey[]): void => {
      context.addIssue({ code: "custom", message, path: [...path] });
    };
    const surroundings = { services, keys, baseDir, report };
    const bundles = Object.entries(options.bundles ?? {}).map(([name, given]) =>
      bundleConfig(name, given, ["bundles", name], surroundings),
    );
    if (options.bundle) {
      bundles.push(bundleConfig("bundle", options.bundle, ["bundle"], surroundings));
    }
    return {
      nats,
      watch,
      policy: { ...policy, ...(options.outbound && { outbound: options.outbound }) },
      bundles,
      keys,
      persistenceDirectory: options.persistence_directory ?? resolvePath(baseDir, ".opa"),
      server: {
        ...options.server,
        authorizationDecision: options.default_authorization_decision,
      },
      feed: options.feed,
      decisionLogs: logConfig(
        withAnswers(options.decision_logs, options.nd_builtin_cache),
        options.services,
        baseDir,
        context,
      ),
      ...(options.writes && { writes: options.writes }),
      defaultDecision: options.default_decision,
      labels: options.labels,
      services: options.services,
    };
  });
}

/** OPA has the key at the top too, for all that could use the answers. */
function withAnswers(section: DecisionLogSection, wanted: boolean): DecisionLogSection {
  return { ...section, builtinAnswers: section.builtinAnswers || wanted };
}

/** The decision log with its service, which is the first one where none is named, as in OPA. */
function logConfig(
  { given, service: named, resource, ...rest }: DecisionLogSection,
  services: Readonly<Record<string, ServiceConfig>>,
  baseDir: string,
  context: z.RefinementCtx,
): DecisionLogConfig {
  const [first] = Object.keys(services);
  const isElsewhere = rest.console || rest.subject !== undefined;
  const name = named ?? (given && !isElsewhere ? first : undefined);
  if (name === undefined) return rest;
  const service = Object.hasOwn(services, name) ? services[name] : undefined;
  if (service === undefined) {
    const known = Object.keys(services).join(", ") || "none";
    const message = `there is no such service; name one of services (${known})`;
    context.addIssue({ code: "custom", message, path: ["decision_logs", "service"] });
    return rest;
  }
  const upload = resourceOf(name, service, resource, baseDir, (message, path) => {
    context.addIssue({ code: "custom", message, path: ["services", name, ...path] });
  });
  return { ...rest, ...(upload && { upload }) };
}

const KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(rootShape("."))],
  ["plugins", ["nats"]],
  ["plugins.nats", NATS_KEYS],
  ["plugins.nats.buckets", BUCKETS_KEYS],
  ...BUNDLE_KEYS,
  ...SERVER_KEYS,
  ["feed", FEED_KEYS],
  ...DECISION_LOG_KEYS,
  ...WRITES_KEYS,
  ...OUTBOUND_KEYS,
]);

/** The keys of the map at a path in the form of {@link canonicalPath}, for suggestions. */
export function knownKeys(path: string): readonly string[] {
  return KEYS.get(path) ?? [];
}

/**
 * A path in the form the tables use: the short forms written out, and `*` for the name of a bundle or key.
 */
export function canonicalPath(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path.map(String);
  if (first === undefined) return "";
  if (first === "nats") return ["plugins", "nats", ...rest].join(".");
  if (first === "bundle") return ["bundles", "*", ...rest].join(".");
  if (first === "keys" && rest.length > 0) return ["keys", "*", ...rest.slice(1)].join(".");
  if (first === "bundles" && rest.length > 0) return ["bundles", "*", ...rest.slice(1)].join(".");
  return [first, ...rest].join(".");
}
