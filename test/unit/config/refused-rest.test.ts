import { describe, expect, test } from "vitest";
import { problemsIn } from "./refuse.ts";

describe("the rest of the file", () => {
  test.each<readonly [unknown, string]>([
    [5, "the configuration must be a map of keys"],
    ["nats://u:s3cret@h", "the configuration must be a map of keys"],
    [[], "the configuration must be a map of keys"],
    [{ nats: "nats://u:s3cret@h" }, "nats: the value must be a map of keys"],
    [{ server: [] }, "server: the value must be a map of keys"],
    [
      { plugins: { envoy_ext_authz_grpc: {} } },
      "plugins.envoy_ext_authz_grpc: the bridge has no such plugin, only nats; remove it",
    ],
    [{ plugins: { natss: {} } }, 'plugins.natss: unknown key; did you mean "nats"?'],
    [
      { nats: {}, plugins: { nats: {} } },
      "nats: plugins.nats is given too, and means the same; keep one of the two",
    ],
    [
      { discovery: {} },
      "discovery: a configuration from a discovery bundle is not supported; write the configuration into this file",
    ],
    [{ distributed_tracing: {} }, "distributed_tracing: tracing is not supported; remove the key"],
    [{ storage: {} }, "storage: data is kept in memory only; remove the key"],
    [{ decision_log: {} }, 'decision_log: unknown key; did you mean "decision_logs"?'],
    [
      { decision_logs: { console: 1 } },
      "decision_logs.console = 1: must be true or false, without quotes",
    ],
    [
      { default_decision: "" },
      'default_decision = "": is empty (an environment variable that is not set?); give a value or remove the key',
    ],
    [{ labels: { version: 1 } }, "labels.version = 1: a label is text; put it in quotes"],
    [{ labels: ["a"] }, "labels = a list: must be a map from label to text"],
    [{ services: { a: "x" } }, 'services.a = "x": a service must be a map with a url'],
    [
      { services: { a: { url: "x" } } },
      'services.a.url = "x": a service needs a url; write "https://host/path"',
    ],
    [
      { services: [{ url: "http://h" }] },
      "services[0].name: a service in a list needs a name; give one",
    ],
    [
      { bundles: { a: { file: "f", service: "s" } } },
      "bundles.a: file and service are both given; keep one of the two",
    ],
    [
      { bundle: { file: "f", signing: {} } },
      "bundle.signing = a map: there are no keys to check signatures with; give keys",
    ],
    [{ bundles: { a: {} } }, "bundles.a: there is no file; give its path as file:"],
    [
      { bundle: { file: "f", resource: "file:///f" } },
      "bundle: file and resource are both given; keep one of the two",
    ],
    [
      { bundle: { file: "f" }, bundles: { a: { file: "g" } } },
      "bundle: bundles is given too; keep one of the two",
    ],
    [
      { bundle: { resource: "b/x.tar.gz" } },
      "bundle = a map: there is no service to ask; give services, or file: with a path",
    ],
    [{ bundle: { fil: "x", file: "f" } }, 'bundle.fil: unknown key; did you mean "file"?'],
    [
      { server: { addr: "8181" } },
      'server.addr = "8181": the port is missing; write "127.0.0.1:8181", or ":8181" for every address of the machine',
    ],
    [
      { server: { addr: "http://h:1" } },
      'server.addr = "http://h:1": this is not a host and a port; write "127.0.0.1:8181", or ":8181" for every address of the machine',
    ],
    [
      { server: { addr: "h:65536" } },
      'server.addr = "h:65536": the port must be at most 65535; write "127.0.0.1:8181", or ":8181" for every address of the machine',
    ],
    [
      { server: { decoding: { max_length: 0 } } },
      'server.decoding.max_length = 0: must be a size of at least 1 byte; write a number of bytes, or text such as "10MiB"',
    ],
    [
      { server: { shutdown_grace_period: 10 } },
      'server.shutdown_grace_period = 10: a duration is text with a unit; write "10s", or another such as "1h30m"',
    ],
    [
      { server: { decoding: { maxlength: 1 } } },
      'server.decoding.maxlength: unknown key; did you mean "max_length"?',
    ],
  ])("N33 %j", (value, problem) => {
    expect(problemsIn(value)).toEqual([problem]);
  });

  test.each([
    ['{"__proto__": {"x": 1}}', '["__proto__"]'],
    ['{"constructor": {"prototype": {"x": 1}}}', "constructor"],
    ['{"nats": {"__proto__": {"token": "s3cret"}}}', "nats.__proto__"],
    ['{"labels": {"__proto__": "x"}}', "labels.__proto__"],
    ['{"bundles": {"constructor": {"file": "x"}}}', "bundles.constructor"],
    [
      '{"services": {"a": {"url": "http://h", "tls": {"__proto__": {}}}}}',
      "services.a.tls.__proto__",
    ],
  ])("N33 names of Object.prototype are unknown keys: %s", (json, path) => {
    const expected = path === '["__proto__"]' ? "__proto__" : path;
    expect(problemsIn(JSON.parse(json))).toEqual([`${expected}: unknown key; remove it`]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  test("N33 strange keys are quoted", () => {
    expect(problemsIn({ "a\nb": 1 })).toEqual(['["a\\nb"]: unknown key; remove it']);
  });

  test("a value that contains itself is no trap", () => {
    const service: Record<string, unknown> = { url: "http://h" };
    service["self"] = service;
    expect(problemsIn({ services: { service } })).toEqual([]);
  });

  test("all problems are reported at once", () => {
    const value = {
      nats: { ttl: 10, usernme: "u", username: "u", buckets: { allow: [""] } },
      server: { addr: "x" },
      storage: {},
    };
    expect(problemsIn(value).map((line) => line.split(/ = |: /)[0])).toEqual([
      "nats.ttl",
      "nats.buckets.allow[0]",
      "nats.usernme",
      "server.addr",
      "storage",
      "nats.username",
    ]);
  });
});
