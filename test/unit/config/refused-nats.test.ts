import { describe, expect, test } from "vitest";
import { problemsIn } from "./refuse.ts";

/** [what is given under plugins.nats, the one problem] */
type Case = readonly [Record<string, unknown>, string];

describe("plugins.nats", () => {
  test.each<Case>([
    [
      { ttl: 10 },
      'ttl = 10: a duration is text with a unit; write "10s", or another such as "1h30m"',
    ],
    [
      { ttl: 1.5 },
      'ttl = 1.5: a duration is text with a unit; write "10m", or another such as "1h30m"',
    ],
    [{ ttl: "10" }, 'ttl = "10": not a duration; write "10m", "250ms" or "1h30m"'],
    [{ ttl: "" }, 'ttl = "": not a duration; write "10m", "250ms" or "1h30m"'],
    [{ ttl: true }, 'ttl = true: not a duration; write "10m", "250ms" or "1h30m"'],
    [{ ttl: "-1s" }, 'ttl = "-1s": a duration must not be negative; write "10m"'],
    [{ ttl: "720h" }, 'ttl = "720h": must be at most "596h" (24 days)'],
    [{ ttl: "9999999h" }, 'ttl = "9999999h": must be at most "596h" (24 days)'],
    [{ reconnect_wait: "0" }, 'reconnect_wait = "0": must be at least 1ms; write "500ms"'],
    [{ refresh_interval: "0s" }, 'refresh_interval = "0s": must be at least 1ms; write "30s"'],
    [
      { query_timeout: [] },
      'query_timeout = a list: not a duration; write "10s", "250ms" or "1h30m"',
    ],
  ])("N30 duration %j", (nats, problem) => {
    expect(problemsIn({ plugins: { nats } })).toEqual([`plugins.nats.${problem}`]);
  });

  test.each<Case>([
    [
      { max_bucket_watchers: 0 },
      "max_bucket_watchers = 0: must be a whole number, from 1 to 1000000; the default is 10",
    ],
    [
      { max_bucket_watchers: -3 },
      "max_bucket_watchers = -3: must be a whole number, from 1 to 1000000; the default is 10",
    ],
    [
      { max_bucket_watchers: 1.5 },
      "max_bucket_watchers = 1.5: must be a whole number, from 1 to 1000000; the default is 10",
    ],
    [
      { max_bucket_watchers: "10" },
      'max_bucket_watchers = "10": must be a number, not text; write 10 without quotes',
    ],
    [
      { max_reconnect_attempts: -2 },
      "max_reconnect_attempts = -2: must be a whole number, at least -1 (-1: forever); the default is -1",
    ],
    [
      { max_concurrent_loads: 65 },
      "max_concurrent_loads = 65: must be a whole number, from 1 to 64; the default is 4",
    ],
    [
      { max_bucket_keys: 0 },
      "max_bucket_keys = 0: must be a whole number, at least 1; the default is 5000000",
    ],
    [
      { max_bucket_bytes: "1 gig" },
      'max_bucket_bytes = "1 gig": must be a size of at least 1 byte; write a number of bytes, or text such as "1GiB"',
    ],
    [
      { max_total_bytes: -1 },
      'max_total_bytes = -1: must be a size of at least 1 byte; write a number of bytes, or text such as "2GiB"',
    ],
    [
      { max_bucket_bytes: "4GiB" },
      'max_bucket_bytes = "4GiB": more than max_total_bytes (2GiB by default); give less here, or more there',
    ],
    [
      { max_bucket_bytes: 2, max_total_bytes: 1 },
      "max_bucket_bytes = 2: more than max_total_bytes; give less here, or more there",
    ],
    [{ tls_insecure: "yes" }, 'tls_insecure = "yes": must be true or false, without quotes'],
    [{ name: 5 }, "name = 5: must be text; put it in quotes"],
  ])("N26 number or flag %j", (nats, problem) => {
    expect(problemsIn({ plugins: { nats } })).toEqual([`plugins.nats.${problem}`]);
  });

  test.each<Case>([
    [
      { root_bucket: "a.b" },
      'root_bucket = "a.b": is not a KV bucket name; use letters, digits, - and _ only',
    ],
    [{ buckets: { allow: "a" } }, 'buckets.allow = "a": must be a list; write [...] around it'],
    [
      { buckets: { deny: ["a", "b c"] } },
      'buckets.deny[1] = "b c": must be a bucket name or a pattern; use letters, digits, -, _ and * only',
    ],
    [{ buckets: { alow: [] } }, 'buckets.alow: unknown key; did you mean "allow"?'],
    [
      { root_bucket: "r", buckets: { allow: ["team-*"] } },
      'root_bucket = "r": this bucket is not allowed by plugins.nats.buckets; add it to allow, and remove what denies it',
    ],
    [
      { root_bucket: "r", buckets: { deny: ["r"] } },
      'root_bucket = "r": this bucket is not allowed by plugins.nats.buckets; add it to allow, and remove what denies it',
    ],
  ])("W7 bucket %j", (nats, problem) => {
    expect(problemsIn({ plugins: { nats } })).toEqual([`plugins.nats.${problem}`]);
  });

  test.each<Case>([
    [
      { username: "u" },
      ".username: half of a pair; give password or password_file too, or remove the key",
    ],
    [{ password: "s3cret" }, ".password: half of a pair; give username too, or remove the key"],
    [
      { password_file: "pw" },
      ".password_file: half of a pair; give username too, or remove the key",
    ],
    [
      { user_jwt: "s3cret" },
      ".user_jwt: half of a pair; give user_nkey_seed or user_nkey_seed_file too, or remove the key",
    ],
    [
      { user_nkey_seed_file: "seed" },
      ".user_nkey_seed_file: half of a pair; give user_jwt or user_jwt_file too, or remove the key",
    ],
    [{ tls_cert: "c.pem" }, ".tls_cert: half of a pair; give tls_key too, or remove the key"],
    [{ tls_key: "k.pem" }, ".tls_key: half of a pair; give tls_cert too, or remove the key"],
    [{ token: "s3cret", token_file: "f" }, ".token: token_file is given too; keep one of the two"],
    [
      { token: "s3cret", credentials: "c" },
      ": more than one way to authenticate: credentials, token; keep one of them",
    ],
    [
      { token: "s3cret", username: "u", password_file: "p" },
      ": more than one way to authenticate: token, username; keep one of them",
    ],
    [
      { server_url: "nats://u:s3cret@h", token_file: "t" },
      ": more than one way to authenticate: token_file, a user in server_url; keep one of them",
    ],
    [
      { token: "" },
      ".token = <hidden>: is empty (an environment variable that is not set?); give a value or remove the key",
    ],
    [
      { token: null },
      ".token: is empty (an environment variable that is not set?); give a value or remove the key",
    ],
    [
      { credentials: "" },
      '.credentials = "": is empty (an environment variable that is not set?); give a value or remove the key',
    ],
    [{ token: 12345 }, ".token = <hidden>: must be text; put it in quotes"],
    [
      { credentials: "-----BEGIN NATS USER JWT-----s3cret" },
      ".credentials = <hidden>: this is the content of a file; give the file's path instead",
    ],
    [
      { tls_cert: "c", tls_key: "s3cret\nline" },
      ".tls_key = <hidden>: this is the content of a file; give the file's path instead",
    ],
  ])("N31 authentication %j", (nats, problem) => {
    expect(problemsIn({ plugins: { nats } })).toEqual([`plugins.nats${problem}`]);
  });

  test.each<Case>([
    [{ servr_url: "nats://u:s3cret@h" }, 'servr_url: unknown key; did you mean "server_url"?'],
    [
      { maxBucketWatchers: 3 },
      'maxBucketWatchers: unknown key; did you mean "max_bucket_watchers"?',
    ],
    [{ "reconnect-wait": "1s" }, 'reconnect-wait: unknown key; did you mean "reconnect_wait"?'],
    [{ pasword: "s3cret" }, 'pasword: unknown key; did you mean "password"?'],
    [{ api_key: "s3cret" }, "api_key: unknown key; remove it"],
    [{ log_level: "debug" }, "log_level: never had an effect in the Go plugin; remove the key"],
    [
      { bucket: "b" },
      "bucket: a single bucket for all tenants is not supported; keep one bucket per tenant, and name the one for the top of data in root_bucket",
    ],
    [
      { root_tenant: "t" },
      "root_tenant: a single bucket for all tenants is not supported; keep one bucket per tenant, and name the root tenant's in root_bucket",
    ],
  ])("N33 unknown key %j", (nats, problem) => {
    expect(problemsIn({ plugins: { nats } })).toEqual([`plugins.nats.${problem}`]);
  });
});
