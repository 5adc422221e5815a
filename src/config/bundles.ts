import { resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import type { BundleOptions, KeyOptions } from "./bundle-options.ts";
import { boolean, bytes, integer, isMap, path, secret, section, text, texts } from "./fields.ts";
import { resourceOf } from "./services.ts";
import type { BundleConfig, BundleKeyConfig, BundleSourceConfig, ServiceConfig } from "./types.ts";

const OBJECT = /^nats:\/\/([\w-]{1,200})\/(.+)$/;

const pollingShape = {
  min_delay_seconds: integer(60, 1, 2_000_000),
  max_delay_seconds: integer(120, 1, 2_000_000),
  long_polling_timeout_seconds: integer(0, 1, 86_400),
} satisfies Record<keyof NonNullable<BundleOptions["polling"]>, z.ZodType>;

const signingShape = {
  keyid: text(undefined),
  scope: text(undefined),
  exclude_files: texts([], /./, "must be a pattern of paths"),
} satisfies Record<keyof NonNullable<BundleOptions["signing"]>, z.ZodType>;

const polling = section(
  z.strictObject(pollingShape).transform((options, context) => {
    const { min_delay_seconds: min, max_delay_seconds: max } = options;
    if (max < min) {
      const message = `must not be less than min_delay_seconds, which is ${min}; give both`;
      context.addIssue({ code: "custom", message, path: ["max_delay_seconds"] });
    }
    return {
      minDelayMs: min * 1_000,
      maxDelayMs: max * 1_000,
      longPollingMs: options.long_polling_timeout_seconds * 1_000,
    };
  }),
);

function bundleShape(baseDir: string) {
  return {
    file: path(baseDir),
    resource: text(undefined),
    service: text(undefined),
    polling,
    persist: boolean(false),
    size_limit_bytes: bytes(256 * 2 ** 20),
    signing: z.strictObject(signingShape).nullish(),
    trigger: z.unknown().optional(),
  } satisfies Record<keyof BundleOptions, z.ZodType>;
}

/** One bundle, as it was given: its service is not looked up yet. */
export function bundleSchema(baseDir: string): z.ZodType<BundleSection> {
  return z.strictObject(bundleShape(baseDir));
}

interface BundleSection {
  readonly file?: string | undefined;
  readonly resource?: string | undefined;
  readonly service?: string | undefined;
  readonly polling: BundleConfig["polling"];
  readonly persist: boolean;
  readonly size_limit_bytes: number;
  readonly signing?:
    | {
        readonly keyid?: string | undefined;
        readonly scope?: string | undefined;
        readonly exclude_files: readonly string[];
      }
    | null
    | undefined;
}

const ALGORITHMS = ["RS", "PS", "ES", "HS"].flatMap((family) =>
  ["256", "384", "512"].map((size) => family + size),
);

function keyShape(baseDir: string) {
  return {
    key: secret(),
    key_file: path(baseDir),
    algorithm: text("RS256"),
    scope: text(undefined),
    // Keys for signing are of no use here.
    private_key: z.unknown().optional(),
  } satisfies Record<keyof KeyOptions | "private_key", z.ZodType>;
}

/** `keys`, by name. */
export function keysSchema(baseDir: string): z.ZodType<ReadonlyMap<string, BundleKeyConfig>> {
  const key = z.strictObject(keyShape(baseDir)).transform((given, context): BundleKeyConfig => {
    const { algorithm, scope } = given;
    if ((given.key === undefined) === (given.key_file === undefined)) {
      context.addIssue({ code: "custom", message: "give key or key_file, one of the two" });
    }
    if (!ALGORITHMS.includes(algorithm)) {
      const message = `must be one of: ${ALGORITHMS.join(", ")}`;
      context.addIssue({ code: "custom", message, path: ["algorithm"] });
    }
    return {
      algorithm,
      scope: scope ?? "",
      key: given.key === undefined ? { file: given.key_file ?? "" } : { value: given.key },
    };
  });
  return z
    .record(z.string(), key)
    .nullish()
    .transform((keys) => new Map(Object.entries(keys ?? {})));
}

/** What bundles need of the rest of the configuration. */
export interface BundleSurroundings {
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly keys: ReadonlyMap<string, BundleKeyConfig>;
  readonly baseDir: string;
  /** Says what is wrong, at a path of the whole configuration. */
  readonly report: (message: string, path: readonly PropertyKey[]) => void;
}

/** Fills in a bundle that was given at a path of the configuration. */
export function bundleConfig(
  name: string,
  given: BundleSection,
  at: readonly PropertyKey[],
  surroundings: BundleSurroundings,
): BundleConfig {
  const { signing } = given;
  const { keys, report } = surroundings;
  const keyid = signing?.keyid;
  if (keyid !== undefined && !keys.has(keyid)) {
    const known = [...keys.keys()].join(", ") || "none";
    report(`there is no such key; name one of keys (${known})`, [...at, "signing", "keyid"]);
  }
  if (signing && keys.size === 0) {
    report("there are no keys to check signatures with; give keys", [...at, "signing"]);
  }
  return {
    name,
    source: sourceOf(name, given, at, surroundings),
    polling: given.polling,
    persist: given.persist,
    maxBytes: given.size_limit_bytes,
    ...(signing && {
      signing: { keyid, scope: signing.scope, excludeFiles: signing.exclude_files },
    }),
  };
}

function sourceOf(
  name: string,
  { file, resource, service: named }: BundleSection,
  at: readonly PropertyKey[],
  { services, baseDir, report }: BundleSurroundings,
): BundleSourceConfig {
  const nowhere: BundleSourceConfig = { type: "file", path: file ?? "" };
  if (file !== undefined) return nowhere;
  if (resource?.startsWith("file:") === true) {
    try {
      return { type: "file", path: fileURLToPath(resource) };
    } catch {
      report("must be a file of this machine; write file:///absolute/path", [...at, "resource"]);
      return nowhere;
    }
  }
  if (resource?.startsWith("nats:") === true) {
    const [, store, object] = OBJECT.exec(resource) ?? [];
    if (store !== undefined && object !== undefined) return { type: "object", store, object };
    report('must name a store and an object; write "nats://policies/authz.tar.gz"', [
      ...at,
      "resource",
    ]);
    return nowhere;
  }
  const known = Object.keys(services);
  const serviceName = named ?? known[0];
  if (serviceName === undefined) {
    if (resource !== undefined) {
      report("there is no service to ask; give services, or file: with a path", at);
    }
    return nowhere;
  }
  const service = Object.hasOwn(services, serviceName) ? services[serviceName] : undefined;
  if (service === undefined) {
    const message = `there is no such service; name one of services (${known.join(", ") || "none"})`;
    report(message, [...at, "service"]);
    return nowhere;
  }
  const access = resourceOf(
    serviceName,
    service,
    resource ?? `bundles/${name}`,
    baseDir,
    (message, path) => report(message, ["services", serviceName, ...path]),
  );
  return access === undefined ? nowhere : { type: "http", access };
}

/** A bundle that is a file of this machine, with everything else as it is by default. */
export function fileBundle(name: string, file: string): BundleConfig {
  const given = bundleSchema(".").parse({ file: resolvePath(file) });
  const surroundings = { services: {}, keys: new Map(), baseDir: ".", report: () => undefined };
  return bundleConfig(name, given, [], surroundings);
}

/** The keys of `bundles` and `keys` and of the maps in them, for suggestions. */
export const BUNDLE_KEYS: readonly (readonly [string, readonly string[]])[] = [
  ["bundles.*", Object.keys(bundleShape("."))],
  ["bundles.*.polling", Object.keys(pollingShape)],
  ["bundles.*.signing", Object.keys(signingShape)],
  ["keys.*", Object.keys(keyShape("."))],
];

/** Whether a bundle comes from a file, as it was written. */
export function isFileBundle(bundle: unknown): boolean {
  if (!isMap(bundle)) return false;
  const { file, resource } = bundle;
  return typeof file === "string" || (typeof resource === "string" && resource.startsWith("file:"));
}
