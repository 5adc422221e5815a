import * as z from "zod";
import { BUCKET_NAME, BUCKET_PATTERN } from "../common/bucket-names.ts";
import {
  boolean,
  bytes,
  duration,
  field,
  integer,
  listOf,
  oneOf,
  path,
  required,
  secret,
  section,
  text,
  texts,
} from "./fields.ts";
import type { BucketOptions, NatsOptions, StalenessOptions } from "./options.ts";
import type { Secret, SecretSource } from "./secret.ts";
import { parseServers, type Servers, splitServers } from "./servers.ts";
import type {
  NatsAuthSource,
  NatsConfig,
  NatsTlsConfig,
  PolicyConfig,
  WatchConfig,
} from "./types.ts";

/** What `plugins.nats` configures. */
export interface NatsSection {
  readonly nats: NatsConfig;
  readonly watch: WatchConfig;
  readonly policy: PolicyConfig;
}

const DEFAULT_SERVER = "nats://localhost:4222";
const MAX_BUCKET_BYTES = 2 ** 30;
const MAX_TOTAL_BYTES = 2 ** 31;
const MAX_EVALUATION_MEMORY = 256 * 2 ** 20;
const MAX_POLICY_MEMORY = 4 * 1024 ** 3;

// lru-cache sets aside its slots when it is made.
const MAX_WATCHERS = 1_000_000;

const servers: z.ZodType<Servers> = field<Servers>({ urls: [DEFAULT_SERVER] }, (value, report) => {
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  const addresses = given.filter((item) => typeof item === "string");
  if (addresses.length < given.length || given.length === 0) {
    report(`must be an address or a list of addresses; write "${DEFAULT_SERVER}"`);
    return { urls: [] };
  }
  if (Array.isArray(value)) return parseServers(splitServers(addresses), (i, m) => report(m, [i]));
  const parts = splitServers(addresses.join());
  return parseServers(parts, (index, message) => {
    report(parts.length > 1 ? `address ${index + 1}: ${message}` : message);
  });
});

const rootBucket = field("", (value, report) => {
  if (value === "" || (typeof value === "string" && BUCKET_NAME.test(value))) return value;
  report("is not a KV bucket name; use letters, digits, - and _ only");
  return "";
});

const patternRemedy = "must be a bucket name or a pattern; use letters, digits, -, _ and * only";

const bucketsShape = {
  allow: texts(["*"], BUCKET_PATTERN, patternRemedy),
  deny: texts([], BUCKET_PATTERN, patternRemedy),
} satisfies Record<keyof BucketOptions, z.ZodType>;

const ON_STALE = ["serve", "flag", "hide", "unavailable"] as const;

const stalenessShape = {
  buckets: texts(["*"], BUCKET_PATTERN, patternRemedy),
  // The server tells once a second that there is nothing new.
  max_staleness: required(duration("1m", 2_000), 'is missing; write "1m"'),
  on_stale: oneOf("flag", ON_STALE),
} satisfies Record<keyof StalenessOptions, z.ZodType>;

function natsShape(baseDir: string) {
  return {
    server_url: servers,
    server_urls_file: path(baseDir),
    discover_servers: boolean(true),
    name: text("nats-opa-bridge"),
    credentials: path(baseDir),
    token: secret(),
    token_file: path(baseDir),
    username: text(undefined),
    password: secret(),
    password_file: path(baseDir),
    user_jwt: secret(),
    user_jwt_file: path(baseDir),
    user_nkey_seed: secret(),
    user_nkey_seed_file: path(baseDir),
    tls_cert: path(baseDir),
    tls_key: path(baseDir),
    tls_ca_cert: path(baseDir),
    tls_insecure: boolean(false),
    connect_timeout: duration("5s", 1),
    retry_on_failed_connect: boolean(undefined),
    max_reconnect_attempts: integer(-1, -1, undefined, " (-1: forever)"),
    reconnect_wait: duration("500ms", 1),
    reconnect_max_wait: duration("30s", 1),
    reconnect_probe: duration("1s"),
    ttl: duration("10m"),
    refresh_interval: duration("30s", 1),
    max_bucket_watchers: integer(10, 1, MAX_WATCHERS),
    staleness: listOf(z.strictObject(stalenessShape)),
    root_bucket: rootBucket,
    buckets: section(z.strictObject(bucketsShape)),
    max_concurrent_loads: integer(4, 1, 64),
    max_bucket_keys: integer(5_000_000, 1),
    max_bucket_bytes: bytes(undefined),
    max_total_bytes: bytes(MAX_TOTAL_BYTES),
    load_timeout: duration("60s", 1),
    resync_cooldown: duration("5s"),
    missing_bucket_ttl: duration("5s"),
    query_timeout: duration("10s", 1),
    evaluation_timeout: duration("1s", 1),
    max_evaluation_memory: bytes(MAX_EVALUATION_MEMORY),
    max_policy_memory: bytes(MAX_POLICY_MEMORY),
  } satisfies Record<keyof NatsOptions, z.ZodType>;
}

/** The keys of `plugins.nats`, for suggestions. */
export const NATS_KEYS: readonly string[] = Object.keys(natsShape("."));

/** The keys of one of `plugins.nats.staleness`, for suggestions. */
export const STALENESS_KEYS: readonly string[] = Object.keys(stalenessShape);

/** The keys of `plugins.nats.buckets`, for suggestions. */
export const BUCKETS_KEYS: readonly string[] = Object.keys(bucketsShape);

/** `plugins.nats`; relative paths start at `baseDir`. */
export function natsSchema(baseDir: string): z.ZodType<NatsSection> {
  return z.strictObject(natsShape(baseDir)).transform((options): NatsSection => {
    const tls = tlsOf(options);
    const retry = options.retry_on_failed_connect;
    const serversFile = options.server_urls_file;
    return {
      nats: {
        servers: options.server_url.urls,
        ...(serversFile !== undefined && { serversFile }),
        discoverServers: options.discover_servers,
        name: options.name,
        auth: authOf(options),
        ...(tls !== undefined && { tls }),
        connectTimeoutMs: options.connect_timeout,
        maxReconnectAttempts: options.max_reconnect_attempts,
        reconnectWaitMs: options.reconnect_wait,
        reconnectMaxWaitMs: options.reconnect_max_wait,
        reconnectProbeMs: options.reconnect_probe,
        ...(retry !== undefined && { retryOnFailedConnect: retry }),
      },
      watch: {
        maxBucketWatchers: options.max_bucket_watchers,
        ttlMs: options.ttl,
        refreshIntervalMs: options.refresh_interval,
        maxConcurrentLoads: options.max_concurrent_loads,
        loadTimeoutMs: options.load_timeout,
        resyncCooldownMs: options.resync_cooldown,
        missingBucketTtlMs: options.missing_bucket_ttl,
        maxBucketKeys: options.max_bucket_keys,
        // A budget for everything is a budget for each bucket.
        maxBucketBytes:
          options.max_bucket_bytes ?? Math.min(MAX_BUCKET_BYTES, options.max_total_bytes),
        maxTotalBytes: options.max_total_bytes,
        allow: options.buckets.allow,
        deny: options.buckets.deny,
        staleness: options.staleness.map(({ buckets, max_staleness, on_stale }) => ({
          buckets,
          maxStalenessMs: max_staleness,
          onStale: on_stale,
        })),
        rootBucket: options.root_bucket,
      },
      policy: {
        queryTimeoutMs: options.query_timeout,
        limits: {
          timeoutMs: options.evaluation_timeout,
          maxMemoryBytes: options.max_evaluation_memory,
        },
        maxMemoryBytes: options.max_policy_memory,
      },
    };
  });
}

type Options = z.output<z.ZodObject<ReturnType<typeof natsShape>>>;

/**
 * The one way to authenticate that is given in full; rules.ts has reported every other combination.
 */
function authOf(options: Options): NatsAuthSource {
  const { credentials, username } = options;
  const token = source(options.token, options.token_file);
  const password = source(options.password, options.password_file);
  const jwt = source(options.user_jwt, options.user_jwt_file);
  const seed = source(options.user_nkey_seed, options.user_nkey_seed_file);
  const { userinfo } = options.server_url;
  if (credentials !== undefined) return { mode: "creds", file: credentials };
  if (jwt !== undefined && seed !== undefined) return { mode: "jwt", jwt, seed };
  if (token !== undefined) return { mode: "token", token };
  if (username !== undefined && password !== undefined) {
    return { mode: "userpass", username, password };
  }
  if (userinfo === undefined) return { mode: "none" };
  if ("token" in userinfo) return { mode: "token", token: { value: userinfo.token } };
  return {
    mode: "userpass",
    username: userinfo.username,
    password: { value: userinfo.password },
  };
}

function source(value: Secret | undefined, file: string | undefined): SecretSource | undefined {
  if (value !== undefined) return { value };
  return file === undefined ? undefined : { file };
}

function tlsOf(options: Options): NatsTlsConfig | undefined {
  const { tls_cert: certFile, tls_key: keyFile, tls_ca_cert: caFile } = options;
  const insecure = options.tls_insecure;
  if (certFile === undefined && keyFile === undefined && caFile === undefined && !insecure) {
    return undefined;
  }
  return {
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
    ...(caFile !== undefined && { caFile }),
    insecure,
  };
}
