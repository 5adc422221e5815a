import { formatDuration } from "../common/duration.ts";
import { formatBytes } from "./bytes.ts";
import type { BridgeConfig, NatsConfig, WatchConfig } from "./types.ts";

/**
 * The configuration in effect for showing, with the keys of the file and every default. It holds no
 * secret: of the authentication only its kind, of a service only its URL without userinfo and
 * query.
 */
export function publicConfig(config: BridgeConfig): Record<string, unknown> {
  const { server } = config;
  const host = server.host.includes(":") ? `[${server.host}]` : server.host;
  return {
    labels: config.labels,
    default_decision: config.defaultDecision,
    decision_logs: { console: config.decisionLogs.console },
    services: mapValues(config.services, ({ url }) => ({ url: publicUrl(url) })),
    bundles: Object.fromEntries(config.bundles.map(({ name, file }) => [name, { file }])),
    plugins: {
      nats: {
        ...publicNats(config.nats),
        ...publicWatch(config.watch),
        query_timeout: formatDuration(config.policy.queryTimeoutMs),
        max_policy_memory: formatBytes(config.policy.maxMemoryBytes),
      },
    },
    server: {
      addr: `${host}:${server.port}`,
      decoding: { max_length: formatBytes(server.maxBodyBytes) },
      shutdown_grace_period: formatDuration(server.shutdownGraceMs),
      shutdown_wait_period: formatDuration(server.shutdownWaitMs),
    },
  };
}

function publicNats(nats: NatsConfig): Record<string, unknown> {
  const { auth, tls } = nats;
  return {
    server_url: nats.servers,
    name: nats.name,
    authentication: auth.mode,
    tls:
      tls === undefined
        ? null
        : { client_certificate: tls.certFile !== undefined, insecure: tls.insecure },
    connect_timeout: formatDuration(nats.connectTimeoutMs),
    retry_on_failed_connect: nats.retryOnFailedConnect ?? null,
    max_reconnect_attempts: nats.maxReconnectAttempts,
    reconnect_wait: formatDuration(nats.reconnectWaitMs),
  };
}

function publicWatch(watch: WatchConfig): Record<string, unknown> {
  return {
    ttl: formatDuration(watch.ttlMs),
    refresh_interval: formatDuration(watch.refreshIntervalMs),
    max_bucket_watchers: watch.maxBucketWatchers,
    root_bucket: watch.rootBucket,
    buckets: { allow: watch.allow, deny: watch.deny },
    max_concurrent_loads: watch.maxConcurrentLoads,
    max_bucket_keys: watch.maxBucketKeys,
    max_bucket_bytes: formatBytes(watch.maxBucketBytes),
    max_total_bytes: formatBytes(watch.maxTotalBytes),
    load_timeout: formatDuration(watch.loadTimeoutMs),
    missing_bucket_ttl: formatDuration(watch.missingBucketTtlMs),
  };
}

function publicUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function mapValues<A, B>(
  map: Readonly<Record<string, A>>,
  change: (value: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}
