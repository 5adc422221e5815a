import type { BundleOptions, KeyOptions } from "./bundle-options.ts";
import type { DecisionLogOptions } from "./decision-log-options.ts";
import type { ServerOptions } from "./server-options.ts";

/**
 * The configuration as it is written: the keys of the file, and of the object given to
 * `createBridge`. Each option is documented here, once. Durations are text in Go's syntax ("250ms",
 * "10s", "1h30m"), sizes are a number of bytes or text with a unit ("64MiB", "1.5GB"). Relative
 * paths start at the folder of the configuration file (OPA: the working directory); in an object,
 * at the working directory.
 */
export interface BridgeOptions {
  /** Short for `plugins.nats`. */
  readonly nats?: NatsOptions;
  /** OPA's own place for the connection and the buckets; the same as `nats`, of which one may be given. */
  readonly plugins?: {
    /** The connection to NATS, and what is watched there. */
    readonly nats?: NatsOptions;
  };
  /** Short for `bundles` with one bundle, which is named "bundle". */
  readonly bundle?: BundleOptions;
  /** By name. Several at once must have roots of their own. */
  readonly bundles?: Readonly<Record<string, BundleOptions>>;
  /** The service; without meaning to a bridge that is only a library. */
  readonly server?: ServerOptions;
  /** The change feed. */
  readonly feed?: FeedOptions;
  /** The decision log. Default: off. */
  readonly decision_logs?: DecisionLogOptions;
  /** As `decision_logs.nd_builtin_cache`. Default false. */
  readonly nd_builtin_cache?: boolean;
  /** Writing keys of buckets over HTTP. Default: off. */
  readonly writes?: WriteOptions;
  /** Where policies may reach to. Default: nowhere. */
  readonly outbound?: OutboundOptions;
  /** The decision that is asked for without a path. Default "/system/main". */
  readonly default_decision?: string;
  /** The decision that `server.authorization` asks for. Default "/system/authz/allow". */
  readonly default_authorization_decision?: string;
  /** Go into every decision-log event. */
  readonly labels?: Readonly<Record<string, string>>;
  /** OPA's services, by name or as a list with names. For bundles and the decision log: see `ServiceOptions`. */
  readonly services?: Readonly<Record<string, object>> | readonly object[];
  /** The keys that bundles may be signed with, by name. */
  readonly keys?: Readonly<Record<string, KeyOptions>>;
  /** The folder for bundles with `persist`. Default ".opa". */
  readonly persistence_directory?: string;
  /** OPA's; has no effect here. */
  readonly caching?: unknown;
  /** OPA's; has no effect here. */
  readonly status?: unknown;
}

/** The connection to NATS, and what is watched there. Give one way to authenticate, or none. */
export interface NatsOptions {
  /**
   * One address, a comma-separated list, or a list: `nats://host:port` or `tls://host:port`, the
   * port being 4222 where none is given. `user:password@` or `token@` before the host is
   * understood. A name is resolved anew at every attempt to connect. Default
   * "nats://localhost:4222".
   */
  readonly server_url?: string | readonly string[];
  /**
   * Path of a file with the addresses, one on each line or with commas between them, without users;
   * `#` begins a comment. It is read anew at every attempt to connect, so that servers which have
   * moved are found again. In the place of `server_url`.
   */
  readonly server_urls_file?: string;
  /**
   * Also try the other servers of the cluster, of which every NATS server tells. False: only what is
   * configured, for clusters whose own addresses can't be reached from here. Default true.
   */
  readonly discover_servers?: boolean;
  /** The connection's name, as the NATS server shows it. Default "nats-opa-bridge". */
  readonly name?: string;
  /** Path of a `.creds` file; read anew at every connect. */
  readonly credentials?: string;
  /** A token, in place of `token_file`. */
  readonly token?: string;
  /**
   * Path of a file that holds the token; white space around it is ignored, as in the other `*_file`
   * options.
   */
  readonly token_file?: string;
  /** Goes with a password. */
  readonly username?: string;
  /** The password, in place of `password_file`. */
  readonly password?: string;
  /** Path of a file that holds the password. */
  readonly password_file?: string;
  /** A user's JWT, in place of `user_jwt_file`; goes with a seed. */
  readonly user_jwt?: string;
  /** Path of a file that holds a user's JWT. */
  readonly user_jwt_file?: string;
  /** The seed that goes with the JWT, in place of `user_nkey_seed_file`. */
  readonly user_nkey_seed?: string;
  /** Path of a file that holds the seed. */
  readonly user_nkey_seed_file?: string;
  /** Path of the client's certificate (PEM), for `tls_key`. */
  readonly tls_cert?: string;
  /** Path of the client's key (PEM), for `tls_cert`. */
  readonly tls_key?: string;
  /**
   * Path of the authority (PEM) that the server's certificate is checked with. Default: Node's own
   * list.
   */
  readonly tls_ca_cert?: string;
  /** Accept any server certificate. Default false. */
  readonly tls_insecure?: boolean;
  /** How long one connect attempt may take. Default "5s". */
  readonly connect_timeout?: string;
  /**
   * Keep trying when no server answers at the start. Default: the service does, a library call
   * fails.
   */
  readonly retry_on_failed_connect?: boolean;
  /**
   * Attempts in a row, each at all servers, before giving up; a connection that doesn't last for 5 s
   * counts as one. -1: forever, the default; 0: no reconnecting.
   */
  readonly max_reconnect_attempts?: number;
  /**
   * The wait after the first failed attempt; each further one is twice as long, and half of each is
   * random. Default "500ms".
   */
  readonly reconnect_wait?: string;
  /** No wait is longer, except `reconnect_wait` where that is. Default "30s". */
  readonly reconnect_max_wait?: string;
  /**
   * During a longer wait, how often it is looked whether a server that was gone accepts connections
   * again, which ends the wait. Default "1s"; "0": never.
   */
  readonly reconnect_probe?: string;
  /** A watcher that no query has used for this long is stopped. Default "10m"; "0": never. */
  readonly ttl?: string;
  /** How often each watcher proves that it is current. Default "30s". */
  readonly refresh_interval?: string;
  /**
   * Buckets watched at the same time, 1 to 1,000,000; the least recently used one makes room.
   * Default 10.
   */
  readonly max_bucket_watchers?: number;
  /** How old the copies of buckets may get. Default []: as old as an outage makes them. */
  readonly staleness?: readonly StalenessOptions[];
  /** The bucket that is mounted at the top of `data`. Default "": none. */
  readonly root_bucket?: string;
  /** Which buckets may be watched. A denied bucket is denied, whatever `allow` says. */
  readonly buckets?: BucketOptions;
  /** Buckets loaded at the same time, for the first time or again after a gap, 1 to 64. Default 4. */
  readonly max_concurrent_loads?: number;
  /** A bucket with more keys is refused. Default 5,000,000. */
  readonly max_bucket_keys?: number;
  /**
   * A bucket with more bytes is refused. Default "1GiB", or `max_total_bytes` where that is less.
   */
  readonly max_bucket_bytes?: number | string;
  /** The bytes of all buckets together. Default "2GiB". */
  readonly max_total_bytes?: number | string;
  /** How long a bucket's first load may take. Default "60s". */
  readonly load_timeout?: string;
  /**
   * A bucket that has a gap sooner than this after it was loaded waits before it is loaded again,
   * longer each time (0.5 s to 30 s), so that a stream that ends over and over can't multiply the
   * load. After a connection that was lost and is back it waits at most 0.5 s. Default "5s"; "0":
   * every gap is closed at once.
   */
  readonly resync_cooldown?: string;
  /**
   * How long a bucket that does not exist is remembered as missing. Default "5s"; "0": not at all.
   */
  readonly missing_bucket_ttl?: string;
  /** How long a query may wait for buckets. Default "10s". */
  readonly query_timeout?: string;
  /**
   * How long the evaluations of one decision may run together; nothing else is answered meanwhile.
   * Default "1s".
   */
  readonly evaluation_timeout?: string;
  /** What one evaluation may take of the policy's memory, beside the data. Default "256MiB". */
  readonly max_evaluation_memory?: string | number;
  /**
   * What a policy's WebAssembly memory may grow to; its copy of the data takes some ten times the
   * data's text. Reserved, not used, from the start. Default "4GiB", which is WebAssembly's limit.
   */
  readonly max_policy_memory?: number | string;
}

/** A budget for the age of copies; for each bucket the first one that names it counts. */
export interface StalenessOptions {
  /** Patterns of bucket names, in which `*` stands for any run of characters. Default ["*"]. */
  readonly buckets?: readonly string[];
  /** How long ago a copy may have been known to be current, at least "2s". Required. */
  readonly max_staleness: string;
  /**
   * What happens to a copy that is older: "serve" it; "flag" it for policies and in the bridge's health; besides,
   * "hide" it from policies as if it were not watched; or "unavailable": besides, decisions that ask for it fail
   * (HTTP 503). Default "flag".
   */
  readonly on_stale?: "serve" | "flag" | "hide" | "unavailable";
}

/** Patterns of bucket names, in which `*` stands for any run of characters. */
export interface BucketOptions {
  /** Default ["*"]. An empty list allows nothing. */
  readonly allow?: readonly string[];
  /** Default []. */
  readonly deny?: readonly string[];
}

/** The change feed. A cursor can be replayed from for as long as the commits after it are kept. */
export interface FeedOptions {
  /** Subscribers at the same time, 1 to 100,000. Default 1,000. */
  readonly max_subscribers?: number;
  /** How many commits are kept. Default 100,000. */
  readonly max_commits?: number;
  /** What they may take, roughly. Default "64MiB". */
  readonly max_bytes?: number | string;
  /** How often a subscriber to whom nothing happens is told how far the feed is. Default "5s". */
  readonly progress_interval?: string;
}

/** Where policies may reach to with `http.send` and `net.lookup_ip_addr`. */
export interface OutboundOptions {
  /**
   * Names and addresses of hosts, each as the policy writes it; as `allow_net` of OPA's capabilities.
   * Default: none, and a policy that calls one of the two is refused.
   */
  readonly allow_net?: readonly string[];
  /**
   * Whether these hosts may have private, loopback or link-local addresses. Default false: what the name
   * stands for is checked whenever a connection is made.
   */
  readonly allow_private?: boolean;
}

/** Writing keys of buckets over HTTP, with `PUT`, `PATCH` and `DELETE /v1/data/nats/kv/<bucket>/<key>`. */
export interface WriteOptions {
  /** Default false. */
  readonly enabled?: boolean;
  /** Which buckets may be written; they must be such as may be watched, too. */
  readonly buckets?: BucketOptions;
  /**
   * Take writes while NATS is out of reach, and write them once it is back, unless the key has another
   * value by then. They wait in memory; a bridge that is closed gives them five seconds more. Default false.
   */
  readonly buffer?: boolean;
  /** How many may wait; the oldest are dropped. Default 10,000. */
  readonly buffer_size_limit_writes?: number;
  /** Default "16MiB". */
  readonly buffer_size_limit_bytes?: number | string;
}
