import type { SecretSource } from "./secret.ts";

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
  readonly name: string;
  readonly auth: NatsAuthSource;
  /** Absent when no `tls_*` key is given; a `tls://` server asks for TLS by itself. */
  readonly tls?: NatsTlsConfig;
  readonly connectTimeoutMs: number;
  /** -1: forever; 0: never. */
  readonly maxReconnectAttempts: number;
  readonly reconnectWaitMs: number;
  /** Absent: the caller's choice (a service retries, a command doesn't). */
  readonly retryOnFailedConnect?: boolean;
}

/** Which buckets are watched, how many, and how large they may be. */
export interface WatchConfig {
  readonly maxBucketWatchers: number;
  /** 0: an idle watcher is never stopped. */
  readonly ttlMs: number;
  readonly refreshIntervalMs: number;
  readonly maxConcurrentLoads: number;
  readonly loadTimeoutMs: number;
  /** 0: missing buckets are not remembered. */
  readonly missingBucketTtlMs: number;
  readonly maxBucketKeys: number;
  readonly maxBucketBytes: number;
  readonly maxTotalBytes: number;
  /** Patterns for `isBucketAllowed`. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Empty: no root bucket. */
  readonly rootBucket: string;
}

/** How decisions are made. */
export interface PolicyConfig {
  readonly queryTimeoutMs: number;
  readonly maxMemoryBytes: number;
}

export interface BundleConfig {
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
}

export interface ServerConfig {
  /** An IP address or a host name, without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly shutdownGraceMs: number;
  readonly shutdownWaitMs: number;
}

/** A service as it was given. It may hold credentials: `publicConfig` shows the URL only. */
export interface ServiceConfig {
  readonly url: string;
  readonly [key: string]: unknown;
}

/**
 * A configuration that has been checked, with every default filled in. Times are milliseconds,
 * sizes are bytes.
 */
export interface BridgeConfig {
  readonly nats: NatsConfig;
  readonly watch: WatchConfig;
  readonly policy: PolicyConfig;
  /** At most one, for now. */
  readonly bundles: readonly BundleConfig[];
  readonly server: ServerConfig;
  readonly decisionLogs: { readonly console: boolean };
  readonly defaultDecision: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly services: Readonly<Record<string, ServiceConfig>>;
  /**
   * What the operator should know, one sentence each: keys without effect, unset variables. No
   * secrets.
   */
  readonly warnings: readonly string[];
}
