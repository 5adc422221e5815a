import type { Secret, SecretSource } from "./secret.ts";

/** How to authenticate to NATS, with the secrets still in their files: see `readSecrets`. */
export type NatsAuthSource =
  | { readonly mode: "none" }
  | { readonly mode: "creds"; readonly file: string }
  | { readonly mode: "jwt"; readonly jwt: SecretSource; readonly seed: SecretSource }
  | { readonly mode: "token"; readonly token: SecretSource }
  | { readonly mode: "userpass"; readonly username: string; readonly password: SecretSource };

/** How to authenticate to NATS, in plain text. Never to be logged. */
export type NatsAuth =
  | { readonly mode: "none" }
  | { readonly mode: "creds"; readonly file: string }
  | { readonly mode: "jwt"; readonly jwt: string; readonly seed: string }
  | { readonly mode: "token"; readonly token: string }
  | { readonly mode: "userpass"; readonly username: string; readonly password: string };

/** TLS towards NATS. Paths are absolute; `certFile` and `keyFile` come together or not at all. */
export interface NatsTlsConfig {
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  /** Whether any server certificate is accepted. */
  readonly insecure: boolean;
}

/** The connection to NATS. What each setting means, and its default, is at `NatsOptions`. */
export interface NatsConfig {
  /** `nats://host:port` or `tls://host:port`, without userinfo; at least one, none twice. */
  readonly servers: readonly string[];
  /** Absolute path of the file that names the servers, in the place of `servers`: see `serversOf`. */
  readonly serversFile?: string;
  readonly discoverServers: boolean;
  readonly name: string;
  readonly auth: NatsAuthSource;
  /** Absent when no `tls_*` key is given; a `tls://` server asks for TLS by itself. */
  readonly tls?: NatsTlsConfig;
  readonly connectTimeoutMs: number;
  /** -1: forever; 0: never. */
  readonly maxReconnectAttempts: number;
  readonly reconnectWaitMs: number;
  readonly reconnectMaxWaitMs: number;
  /** 0: never. */
  readonly reconnectProbeMs: number;
  /** Absent: the caller's choice (a service retries, a command doesn't). */
  readonly retryOnFailedConnect?: boolean;
}

/** How old the copies of some buckets may get, and what happens then: see `StalenessOptions`. */
export interface StalenessConfig {
  readonly buckets: readonly string[];
  readonly maxStalenessMs: number;
  readonly onStale: "serve" | "flag" | "hide" | "unavailable";
}

/** Which buckets are watched, how many, and how large they may be. */
export interface WatchConfig {
  readonly maxBucketWatchers: number;
  /** 0: an idle watcher is never stopped. */
  readonly ttlMs: number;
  readonly refreshIntervalMs: number;
  readonly maxConcurrentLoads: number;
  readonly loadTimeoutMs: number;
  /** 0: every gap is closed at once. */
  readonly resyncCooldownMs: number;
  /** 0: missing buckets are not remembered. */
  readonly missingBucketTtlMs: number;
  readonly maxBucketKeys: number;
  readonly maxBucketBytes: number;
  readonly maxTotalBytes: number;
  /** Patterns for `isBucketAllowed`. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly staleness: readonly StalenessConfig[];
  /** Empty: no root bucket. */
  readonly rootBucket: string;
}

/** How decisions are made. */
export interface PolicyConfig {
  readonly queryTimeoutMs: number;
  /** Absent: policies reach no host. */
  readonly outbound?: { readonly allowNet: readonly string[]; readonly allowPrivate: boolean };
  readonly limits: { readonly timeoutMs: number; readonly maxMemoryBytes: number };
  readonly maxMemoryBytes: number;
}

/** Where a bundle comes from. Paths are absolute. */
export type BundleSourceConfig =
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "http"; readonly access: ServiceResource }
  | { readonly type: "object"; readonly store: string; readonly object: string };

/** A bundle. What each setting means, and its default, is at `BundleOptions`. */
export interface BundleConfig {
  readonly name: string;
  readonly source: BundleSourceConfig;
  readonly polling: {
    readonly minDelayMs: number;
    readonly maxDelayMs: number;
    /** 0: no long polling. */
    readonly longPollingMs: number;
  };
  readonly persist: boolean;
  readonly maxBytes: number;
  /** Absent: bundles must not be signed. */
  readonly signing?: {
    readonly keyid: string | undefined;
    readonly scope: string | undefined;
    readonly excludeFiles: readonly string[];
  };
}

/** A key that bundles may be signed with. */
export interface BundleKeyConfig {
  /** Such as "RS256". */
  readonly algorithm: string;
  /** Empty: none. */
  readonly scope: string;
  readonly key: SecretSource;
}

/** Who may ask the service. */
export interface AccessConfig {
  /** How callers show who they are. */
  readonly authentication: "off" | "token" | "tls";
  /** Whether the policy is asked for each request (`basic`). */
  readonly authorization: "off" | "basic";
  /** The decision that lets requests pass. */
  readonly authorizationDecision: string;
  /** Absolute path of the tokens that are accepted, like the following ones. */
  readonly tokenFile?: string;
  /** HTTPS. Absent: plain HTTP. */
  readonly tls?: {
    /** Of the service's certificate (PEM). */
    readonly certFile: string;
    /** Of its key (PEM). */
    readonly keyFile: string;
    /** Of the authority (PEM) of clients' certificates. */
    readonly caFile?: string;
  };
}

export interface ServerConfig extends AccessConfig {
  /** An IP address or a host name, without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  /** When answers are packed: from this length on, in bytes, and at this level of zlib's. */
  readonly gzip: { readonly minLength: number; readonly level: number };
  readonly requestTimeoutMs: number;
  readonly maxConcurrentRequests: number;
  readonly maxConnections: number;
  readonly shutdownGraceMs: number;
  readonly shutdownWaitMs: number;
}

/** How much the change feed keeps, and for how many. What each setting means is at `FeedOptions`. */
export interface FeedConfig {
  readonly maxSubscribers: number;
  readonly maxCommits: number;
  readonly maxBytes: number;
  readonly progressIntervalMs: number;
}

/** A service as it was given. It may hold credentials: `publicConfig` shows the URL only. */
export interface ServiceConfig {
  readonly url: string;
  readonly [key: string]: unknown;
}

/** The resource of a service, and how to be let in there. */
export interface ServiceResource {
  /** The service's name. */
  readonly service: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly bearer?: { readonly scheme: string; readonly token: SecretSource };
  /** Paths are absolute. */
  readonly tls: {
    readonly caFile?: string;
    readonly systemCa?: boolean;
    readonly certFile?: string;
    readonly keyFile?: string;
    readonly passphrase?: Secret;
    readonly insecure: boolean;
  };
}

/** The decision log. What each setting means, and its default, is at `DecisionLogOptions`. */
export interface DecisionLogConfig {
  readonly console: boolean;
  readonly upload?: ServiceResource;
  /** Of a JetStream stream. */
  readonly subject?: string;
  /** Paths such as `system/log/mask`. */
  readonly maskDecision: string;
  readonly dropDecision: string;
  /** Whether events show what builtins that are not deterministic answered. */
  readonly builtinAnswers: boolean;
  /** Names of request headers that events show. */
  readonly headers: readonly string[];
  /** The most bytes of one upload, packed. */
  readonly maxUploadBytes: number;
  readonly reporting: {
    readonly trigger: "periodic" | "immediate";
    readonly minDelayMs: number;
    readonly maxDelayMs: number;
    readonly maxEvents: number;
    readonly maxBytes: number;
    readonly maxDecisionsPerSecond?: number;
  };
}

/** Writing over HTTP. What each setting means, and its default, is at `WriteOptions`. */
export interface WritesConfig {
  /** Patterns for `isBucketAllowed`. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Absent: nothing waits for NATS. */
  readonly buffer?: { readonly maxItems: number; readonly maxBytes: number };
}

/**
 * A configuration that has been checked, with every default filled in. Times are milliseconds,
 * sizes are bytes.
 */
export interface BridgeConfig {
  /** The connection: `BridgeOptions.nats`, checked. */
  readonly nats: NatsConfig;
  /** The buckets: the rest of `BridgeOptions.nats`. */
  readonly watch: WatchConfig;
  /** How decisions are made, and what bounds them. */
  readonly policy: PolicyConfig;
  /** The bundles, `BridgeOptions.bundle` among them. */
  readonly bundles: readonly BundleConfig[];
  /** By name. */
  readonly keys: ReadonlyMap<string, BundleKeyConfig>;
  /** Absolute path. */
  readonly persistenceDirectory: string;
  /** The service: `BridgeOptions.server`; `startServer` takes it as it is. */
  readonly server: ServerConfig;
  /** The decision log: `BridgeOptions.decision_logs`. */
  readonly decisionLogs: DecisionLogConfig;
  /** The change feed: `BridgeOptions.feed`. */
  readonly feed: FeedConfig;
  /** Absent: off. */
  readonly writes?: WritesConfig;
  /** The decision that is asked for without a path: `BridgeOptions.default_decision`. */
  readonly defaultDecision: string;
  /** Go into every decision-log event. */
  readonly labels: Readonly<Record<string, string>>;
  /** By name; they may hold credentials. */
  readonly services: Readonly<Record<string, ServiceConfig>>;
  /**
   * What the operator should know, one sentence each: keys without effect, unset variables. No
   * secrets.
   */
  readonly warnings: readonly string[];
}
