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
  readonly plugins?: { readonly nats?: NatsOptions };
  /** Short for `bundles` with one bundle, which is named "bundle". */
  readonly bundle?: BundleOptions;
  /** By name; at most one for now. */
  readonly bundles?: Readonly<Record<string, BundleOptions>>;
  readonly server?: ServerOptions;
  readonly decision_logs?: DecisionLogOptions;
  /** The decision that is asked for without a path. Default "/system/main". */
  readonly default_decision?: string;
  /** Go into every decision-log event. */
  readonly labels?: Readonly<Record<string, string>>;
  /** OPA's services, by name or as a list with names. Nothing uses them yet. */
  readonly services?: Readonly<Record<string, object>> | readonly object[];
  /** OPA's; has no effect here, like the following ones. */
  readonly keys?: unknown;
  readonly caching?: unknown;
  readonly status?: unknown;
  readonly persistence_directory?: unknown;
  readonly default_authorization_decision?: unknown;
  readonly nd_builtin_cache?: unknown;
}

/** The connection to NATS, and what is watched there. Give one way to authenticate, or none. */
export interface NatsOptions {
  /**
   * One address, a comma-separated list, or a list: `nats://host:port` or `tls://host:port`, the
   * port being 4222 where none is given. `user:password@` or `token@` before the host is
   * understood. Default "nats://localhost:4222".
   */
  readonly server_url?: string | readonly string[];
  /** The connection's name, as the NATS server shows it. Default "nats-opa-bridge". */
  readonly name?: string;
  /** Path of a `.creds` file; read anew at every connect. */
  readonly credentials?: string;
  readonly token?: string;
  /**
   * Path of a file that holds the token; white space around it is ignored, as in the other `*_file`
   * options.
   */
  readonly token_file?: string;
  readonly username?: string;
  readonly password?: string;
  readonly password_file?: string;
  readonly user_jwt?: string;
  readonly user_jwt_file?: string;
  readonly user_nkey_seed?: string;
  readonly user_nkey_seed_file?: string;
  /** Path of the client's certificate (PEM), for `tls_key`. */
  readonly tls_cert?: string;
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
  /** Reconnect attempts before giving up. -1: forever, the default; 0: no reconnecting. */
  readonly max_reconnect_attempts?: number;
  /** The wait between reconnect attempts. Default "2s". */
  readonly reconnect_wait?: string;
  /** A watcher that no query has used for this long is stopped. Default "10m"; "0": never. */
  readonly ttl?: string;
  /** How often each watcher proves that it is current. Default "30s". */
  readonly refresh_interval?: string;
  /**
   * Buckets watched at the same time, 1 to 1,000,000; the least recently used one makes room.
   * Default 10.
   */
  readonly max_bucket_watchers?: number;
  /** The bucket that is mounted at the top of `data`. Default "": none. */
  readonly root_bucket?: string;
  /** Which buckets may be watched. A denied bucket is denied, whatever `allow` says. */
  readonly buckets?: BucketOptions;
  /** First loads at the same time, 1 to 64. Default 4. */
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
   * How long a bucket that does not exist is remembered as missing. Default "5s"; "0": not at all.
   */
  readonly missing_bucket_ttl?: string;
  /** How long one query may take, waiting for buckets included. Default "10s". */
  readonly query_timeout?: string;
  /**
   * What a policy's WebAssembly memory may grow to; its copy of the data takes some ten times the
   * data's text. Reserved, not used, from the start. Default "4GiB", which is WebAssembly's limit.
   */
  readonly max_policy_memory?: number | string;
}

/** Patterns of bucket names, in which `*` stands for any run of characters. */
export interface BucketOptions {
  /** Default ["*"]. An empty list allows nothing. */
  readonly allow?: readonly string[];
  /** Default []. */
  readonly deny?: readonly string[];
}

/** Exactly one of `file` and `resource`. */
export interface BundleOptions {
  /** Path of a bundle (`.tar.gz`) or a WebAssembly module. */
  readonly file?: string;
  /** The same as a URL: "file:///absolute/path". */
  readonly resource?: string;
  /** OPA's; has no effect here, like the following ones. */
  readonly polling?: unknown;
  readonly persist?: unknown;
  readonly trigger?: unknown;
  readonly size_limit_bytes?: unknown;
}

export interface ServerOptions {
  /**
   * "host:port", "[::1]:port", or ":port" for every IPv4 address of the machine. Port 0: any free
   * one. Default "127.0.0.1:8181".
   */
  readonly addr?: string;
  readonly decoding?: {
    /** The largest request body. Default "10MiB". */
    readonly max_length?: number | string;
    /** OPA's; has no effect here. */
    readonly gzip?: unknown;
  };
  /** How long requests under way may take to finish at a shutdown. Default "10s". */
  readonly shutdown_grace_period?: string;
  /**
   * How long the service goes on, reporting that it isn't ready, before a shutdown. Default "0s".
   */
  readonly shutdown_wait_period?: string;
  /** OPA's; has no effect here, like the following one. */
  readonly encoding?: unknown;
  readonly metrics?: unknown;
}

export interface DecisionLogOptions {
  /** Write each decision to standard output. Default false. */
  readonly console?: boolean;
}
