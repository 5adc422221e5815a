import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { problemsIn } from "./refuse.ts";
import { NATS_KEYS } from "../../../src/config/nats-schema.ts";

const parse = (value: unknown) => parseConfig(value, { baseDir: "/etc/bridge" });

describe("defaults", () => {
  test("N24 N25 nothing at all is a configuration", () => {
    expect(parse({})).toEqual({
      nats: {
        servers: ["nats://localhost:4222"],
        name: "nats-opa-bridge",
        auth: { mode: "none" },
        connectTimeoutMs: 5_000,
        maxReconnectAttempts: -1,
        reconnectWaitMs: 500,
        reconnectMaxWaitMs: 30_000,
        reconnectProbeMs: 1_000,
        discoverServers: true,
      },
      watch: {
        maxBucketWatchers: 10,
        ttlMs: 600_000,
        refreshIntervalMs: 30_000,
        maxConcurrentLoads: 4,
        loadTimeoutMs: 60_000,
        resyncCooldownMs: 5_000,
        missingBucketTtlMs: 5_000,
        maxBucketKeys: 5_000_000,
        maxBucketBytes: 2 ** 30,
        maxTotalBytes: 2 ** 31,
        allow: ["*"],
        deny: [],
        staleness: [],
        rootBucket: "",
      },
      policy: {
        queryTimeoutMs: 10_000,
        limits: { timeoutMs: 1_000, maxMemoryBytes: 2 ** 28 },
        maxMemoryBytes: 2 ** 32,
      },
      bundles: [],
      keys: new Map(),
      persistenceDirectory: "/etc/bridge/.opa",
      server: {
        host: "127.0.0.1",
        port: 8181,
        maxBodyBytes: 10 * 2 ** 20,
        authentication: "off",
        authorization: "off",
        authorizationDecision: "/system/authz/allow",
        requestTimeoutMs: 60_000,
        maxConcurrentRequests: 1_000,
        maxConnections: 10_000,
        gzip: { minLength: 1_024, level: 9 },
        shutdownGraceMs: 10_000,
        shutdownWaitMs: 0,
      },
      // Its own defaults: decision-logs.test.ts.
      decisionLogs: expect.objectContaining({ console: false }) as unknown,
      feed: {
        maxSubscribers: 1_000,
        maxCommits: 100_000,
        maxBytes: 64 * 2 ** 20,
        progressIntervalMs: 5_000,
      },
      defaultDecision: "/system/main",
      labels: {},
      services: {},
      warnings: [],
    });
  });

  test.each([
    [null],
    [{ plugins: null, labels: null, bundles: null, server: null, decision_logs: null }],
    [{ plugins: { nats: null }, services: null, bundle: undefined }],
    [{ nats: { ttl: null, server_url: null, buckets: null, max_bucket_bytes: null } }],
    [{ nats: { token: undefined, credentials: undefined } }],
  ])("what is left empty is as if it were absent: %j", (value) => {
    expect(parse(value)).toEqual(parse({}));
  });

  test("max_bucket_bytes is no more than max_total_bytes", () => {
    expect(parse({ nats: { max_total_bytes: "64MiB" } }).watch).toMatchObject({
      maxBucketBytes: 64 * 2 ** 20,
      maxTotalBytes: 64 * 2 ** 20,
    });
  });
});

describe("plugins.nats", () => {
  test("N23 every key of the Go plugin is known", () => {
    expect(NATS_KEYS).toEqual(
      expect.arrayContaining(
        (
          "server_url credentials token username password user_jwt user_nkey_seed tls_cert tls_key " +
          "tls_ca_cert tls_insecure ttl refresh_interval max_reconnect_attempts reconnect_wait " +
          "max_bucket_watchers root_bucket"
        ).split(" "),
      ),
    );
  });

  test("the short form means the same", () => {
    const nats = { ttl: "1m", root_bucket: "root", buckets: { allow: ["r*"] } };
    expect(parse({ nats })).toEqual(parse({ plugins: { nats } }));
  });

  test.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ max_reconnect_attempts: 10 }, { maxReconnectAttempts: 10 }],
    [{ max_reconnect_attempts: -1 }, { maxReconnectAttempts: -1 }],
    [{ max_reconnect_attempts: 0 }, { maxReconnectAttempts: 0 }],
    [{ reconnect_wait: "1.5s" }, { reconnectWaitMs: 1_500 }],
    [{ reconnect_max_wait: "2s" }, { reconnectMaxWaitMs: 2_000 }],
    [{ reconnect_probe: "0" }, { reconnectProbeMs: 0 }],
    [{ discover_servers: false }, { discoverServers: false }],
    [{ server_urls_file: "/run/nats/servers" }, { serversFile: "/run/nats/servers" }],
    [{ connect_timeout: "250ms" }, { connectTimeoutMs: 250 }],
    [{ retry_on_failed_connect: false }, { retryOnFailedConnect: false }],
    [{ name: "pdp-1" }, { name: "pdp-1" }],
  ])("N26 N34 connection: %j", (nats, expected) => {
    expect(parse({ nats }).nats).toMatchObject(expected);
  });

  test.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ ttl: "0" }, { ttlMs: 0 }],
    [{ max_bucket_watchers: 1 }, { maxBucketWatchers: 1 }],
    [{ max_bucket_bytes: 1_000 }, { maxBucketBytes: 1_000 }],
    [{ max_bucket_bytes: "1.5 GB" }, { maxBucketBytes: 1_500_000_000 }],
    [{ max_total_bytes: "4GiB" }, { maxTotalBytes: 2 ** 32 }],
    [{ max_bucket_bytes: "64kB" }, { maxBucketBytes: 64_000 }],
    [{ missing_bucket_ttl: "0s" }, { missingBucketTtlMs: 0 }],
    [{ buckets: { deny: ["secret-*"] } }, { allow: ["*"], deny: ["secret-*"] }],
    [{ root_bucket: "" }, { rootBucket: "" }],
  ])("watching: %j", (nats, expected) => {
    expect(parse({ nats }).watch).toMatchObject(expected);
  });

  test("N32 a CA, or tls_insecure, counts without a client certificate", () => {
    expect(parse({ nats: { tls_ca_cert: "ca.pem" } }).nats.tls).toEqual({
      caFile: "/etc/bridge/ca.pem",
      insecure: false,
    });
    const insecure = parse({ nats: { tls_insecure: true } });
    expect(insecure.nats.tls).toEqual({ insecure: true });
    expect(insecure.warnings.join()).toContain("certificate is not checked");
    expect(parse({ nats: { tls_insecure: false } }).nats.tls).toBeUndefined();
    expect(parse({ nats: { tls_cert: "/a.pem", tls_key: "b.pem" } }).nats.tls).toEqual({
      certFile: "/a.pem",
      keyFile: "/etc/bridge/b.pem",
      insecure: false,
    });
  });

  test.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ credentials: "user.creds" }, { mode: "creds", file: "/etc/bridge/user.creds" }],
    [{ token_file: "token" }, { mode: "token", token: { file: "/etc/bridge/token" } }],
    [
      { username: "u", password_file: "/run/pw" },
      { mode: "userpass", username: "u", password: { file: "/run/pw" } },
    ],
    [
      { user_jwt_file: "jwt", user_nkey_seed_file: "seed" },
      {
        mode: "jwt",
        jwt: { file: "/etc/bridge/jwt" },
        seed: { file: "/etc/bridge/seed" },
      },
    ],
  ])("N31 one way to authenticate: %j", (nats, expected) => {
    expect(parse({ nats }).nats.auth).toEqual(expected);
  });

  test("N26 a 0 that the Go plugin read as its default is pointed out", () => {
    expect(parse({ plugins: { nats: { max_reconnect_attempts: 0 } } }).warnings).toEqual([
      "plugins.nats.max_reconnect_attempts is 0: a lost connection is not restored. (The Go plugin read 0 as 10; -1 means forever.)",
    ]);
  });
});

describe("the rest of the file", () => {
  test.each([
    [{ bundles: { authz: { resource: "file:///srv/b.tar.gz" } } }, "authz", "/srv/b.tar.gz"],
    [{ bundles: { authz: { file: "b.tar.gz", polling: {} } } }, "authz", "/etc/bridge/b.tar.gz"],
    [{ bundle: { file: undefined, resource: "file:///b.wasm" } }, "bundle", "/b.wasm"],
    [{ bundle: { file: "../b.wasm" } }, "bundle", "/etc/b.wasm"],
  ])("bundle: %j", (value, name, file) => {
    expect(parse(value).bundles).toMatchObject([{ name, source: { type: "file", path: file } }]);
  });

  test.each([
    ["0.0.0.0:80", "0.0.0.0", 80],
    [":8181", "0.0.0.0", 8181],
    ["[::1]:8181", "::1", 8181],
    ["localhost:0", "localhost", 0],
  ])("server.addr %s", (addr, host, port) => {
    expect(parse({ server: { addr } }).server).toMatchObject({ host, port });
  });

  test("server", () => {
    const server = {
      decoding: { max_length: "1MiB" },
      encoding: { gzip: { min_length: 1, compression_level: 6 } },
      shutdown_grace_period: "3s",
      shutdown_wait_period: "1s",
    };
    expect(parse({ server }).server).toMatchObject({
      maxBodyBytes: 2 ** 20,
      gzip: { minLength: 1, level: 6 },
      shutdownGraceMs: 3_000,
      shutdownWaitMs: 1_000,
    });
  });

  test("services as a map and as a list", () => {
    const one = { url: "http://0.0.0.0:8181", headers: { a: "b" } };
    expect(parse({ services: { authz: one } }).services).toEqual({ authz: one });
    const listed = { name: "authz", ...one };
    expect(parse({ services: [listed] }).services).toEqual({ authz: listed });
  });

  test("labels, decision_logs, default_decision", () => {
    const config = parse({
      labels: { region: "west" },
      decision_logs: { console: true },
      default_decision: "/authz/main",
    });
    expect(config).toMatchObject({
      labels: { region: "west" },
      decisionLogs: { console: true },
      defaultDecision: "/authz/main",
    });
  });

  test("OPA keys without effect are accepted and reported", () => {
    const { warnings } = parse({
      keys: {},
      caching: {},
      status: { service: "x" },
      server: { encoding: {}, metrics: {}, decoding: { gzip: {} } },
      bundles: { authz: { file: "x", polling: {}, persist: true } },
    });
    expect(warnings).toEqual([
      "caching has no effect here.",
      "status has no effect here.",
      "server.metrics has no effect here.",
      "server.decoding.gzip has no effect here.",
      "bundles.authz.polling has no effect here.",
      "bundles.authz.persist has no effect here.",
    ]);
  });
});

describe("who may ask", () => {
  const tls = { cert_file: "c.pem", private_key_file: "/k.pem", ca_cert_file: "ca.pem" };
  const parseAccess = (server: object): unknown =>
    parseConfig({ server }, { baseDir: "/etc/bridge" }).server;

  test("tokens from a file, or judged by the policy", () => {
    expect(parseAccess({ authentication: "token", token_file: "tokens" })).toMatchObject({
      authentication: "token",
      tokenFile: "/etc/bridge/tokens",
    });
    const judged = { authentication: "token", authorization: "basic" };
    expect(parseAccess(judged)).toMatchObject(judged);
  });

  test("certificates", () => {
    expect(parseAccess({ authentication: "tls", tls })).toMatchObject({
      tls: { certFile: "/etc/bridge/c.pem", keyFile: "/k.pem", caFile: "/etc/bridge/ca.pem" },
    });
  });

  test.each<[object, RegExp]>([
    [{ authentication: "token" }, /^server\.authentication.*: nobody would check the tokens/],
    [
      { authentication: "basic" },
      /^server\.authentication = "basic": must be one of off, token, tls/,
    ],
    [{ authorization: true }, /^server\.authorization = true: must be one of off, basic/],
    [{ token_file: "t" }, /^server\.token_file.*: tokens are not asked for/],
    [{ authentication: "tls" }, /^server\.authentication.*: needs the clients' authority/],
    [{ tls: { cert_file: "c" } }, /^server\.tls.*: there is no private_key_file/],
    [{ tls }, /^server\.tls\.ca_cert_file.*: clients are not asked for certificates/],
    [{ max_connections: 0 }, /^server\.max_connections = 0/],
  ])("is refused when it would not do what it says: %j", (server, problem) => {
    expect(problemsIn({ server })).toEqual([expect.stringMatching(problem)]);
  });
});
