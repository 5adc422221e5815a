import { formatDuration } from "../common/duration.ts";
import { formatBytes } from "./bytes.ts";
import type {
  BridgeConfig,
  BundleConfig,
  DecisionLogConfig,
  NatsConfig,
  WatchConfig,
  WritesConfig,
} from "./types.ts";

/**
 * The configuration in effect for showing, with the keys of the file and every default. It holds no
 * secret: of the authentication only its kind, of a service only its URL without userinfo and
 * query.
 */
export function publicConfig(config: BridgeConfig): Record<string, unknown> {
  const { server, feed } = config;
  const host = server.host.includes(":") ? `[${server.host}]` : server.host;
  return {
    labels: config.labels,
    default_decision: config.defaultDecision,
    default_authorization_decision: server.authorizationDecision,
    decision_logs: publicDecisionLogs(config.decisionLogs),
    writes: publicWrites(config.writes),
    outbound: {
      allow_net: config.policy.outbound?.allowNet ?? [],
      allow_private: config.policy.outbound?.allowPrivate ?? false,
    },
    services: mapValues(config.services, ({ url }) => ({ url: publicUrl(url) })),
    bundles: Object.fromEntries(
      config.bundles.map((bundle) => [bundle.name, publicBundle(bundle)]),
    ),
    keys: Object.fromEntries(
      [...config.keys].map(([name, { algorithm, scope }]) => [name, { algorithm, scope }]),
    ),
    persistence_directory: config.persistenceDirectory,
    plugins: {
      nats: {
        ...publicNats(config.nats),
        ...publicWatch(config.watch),
        query_timeout: formatDuration(config.policy.queryTimeoutMs),
        evaluation_timeout: formatDuration(config.policy.limits.timeoutMs),
        max_evaluation_memory: formatBytes(config.policy.limits.maxMemoryBytes),
        max_policy_memory: formatBytes(config.policy.maxMemoryBytes),
      },
    },
    server: {
      addr: `${host}:${server.port}`,
      authentication: server.authentication,
      authorization: server.authorization,
      tls: server.tls !== undefined,
      decoding: { max_length: formatBytes(server.maxBodyBytes) },
      encoding: {
        gzip: { min_length: server.gzip.minLength, compression_level: server.gzip.level },
      },
      request_timeout: formatDuration(server.requestTimeoutMs),
      max_concurrent_requests: server.maxConcurrentRequests,
      max_connections: server.maxConnections,
      shutdown_grace_period: formatDuration(server.shutdownGraceMs),
      shutdown_wait_period: formatDuration(server.shutdownWaitMs),
    },
    feed: {
      max_subscribers: feed.maxSubscribers,
      max_commits: feed.maxCommits,
      max_bytes: formatBytes(feed.maxBytes),
      progress_interval: formatDuration(feed.progressIntervalMs),
    },
  };
}

function publicBundle({ source, ...bundle }: BundleConfig): Record<string, unknown> {
  const { polling, signing } = bundle;
  return {
    ...(source.type === "file" && { file: source.path }),
    ...(source.type === "object" && { resource: `nats://${source.store}/${source.object}` }),
    ...(source.type === "http" && {
      service: source.access.service,
      resource: new URL(source.access.url).pathname,
      polling: {
        min_delay_seconds: polling.minDelayMs / 1_000,
        max_delay_seconds: polling.maxDelayMs / 1_000,
        long_polling_timeout_seconds: polling.longPollingMs / 1_000 || null,
      },
    }),
    ...(source.type !== "file" && { persist: bundle.persist }),
    size_limit_bytes: formatBytes(bundle.maxBytes),
    signing:
      signing === undefined ? null : { keyid: signing.keyid ?? null, scope: signing.scope ?? null },
  };
}

function publicDecisionLogs(config: DecisionLogConfig): Record<string, unknown> {
  const { upload, reporting } = config;
  return {
    console: config.console,
    service: upload?.service ?? null,
    nats: { subject: config.subject ?? null },
    resource: upload === undefined ? null : new URL(upload.url).pathname,
    mask_decision: config.maskDecision,
    drop_decision: config.dropDecision,
    nd_builtin_cache: config.builtinAnswers,
    request_context: { http: { headers: config.headers } },
    reporting: {
      trigger: reporting.trigger,
      min_delay_seconds: reporting.minDelayMs / 1_000,
      max_delay_seconds: reporting.maxDelayMs / 1_000,
      upload_size_limit_bytes: config.maxUploadBytes,
      buffer_size_limit_bytes: reporting.maxBytes,
      buffer_size_limit_events: reporting.maxEvents,
      max_decisions_per_second: reporting.maxDecisionsPerSecond ?? null,
    },
  };
}

function publicWrites(writes: WritesConfig | undefined): Record<string, unknown> {
  if (writes === undefined) return { enabled: false };
  const { allow, deny, buffer } = writes;
  return {
    enabled: true,
    buckets: { allow, deny },
    buffer: buffer !== undefined,
    ...(buffer && {
      buffer_size_limit_writes: buffer.maxItems,
      buffer_size_limit_bytes: formatBytes(buffer.maxBytes),
    }),
  };
}

function publicNats(nats: NatsConfig): Record<string, unknown> {
  const { auth, tls } = nats;
  return {
    server_url: nats.serversFile === undefined ? nats.servers : null,
    server_urls_file: nats.serversFile ?? null,
    discover_servers: nats.discoverServers,
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
    reconnect_max_wait: formatDuration(nats.reconnectMaxWaitMs),
    reconnect_probe: formatDuration(nats.reconnectProbeMs),
  };
}

function publicWatch(watch: WatchConfig): Record<string, unknown> {
  return {
    ttl: formatDuration(watch.ttlMs),
    refresh_interval: formatDuration(watch.refreshIntervalMs),
    max_bucket_watchers: watch.maxBucketWatchers,
    root_bucket: watch.rootBucket,
    staleness: watch.staleness.map(({ buckets, maxStalenessMs, onStale }) => ({
      buckets,
      max_staleness: formatDuration(maxStalenessMs),
      on_stale: onStale,
    })),
    buckets: { allow: watch.allow, deny: watch.deny },
    max_concurrent_loads: watch.maxConcurrentLoads,
    max_bucket_keys: watch.maxBucketKeys,
    max_bucket_bytes: formatBytes(watch.maxBucketBytes),
    max_total_bytes: formatBytes(watch.maxTotalBytes),
    load_timeout: formatDuration(watch.loadTimeoutMs),
    resync_cooldown: formatDuration(watch.resyncCooldownMs),
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
