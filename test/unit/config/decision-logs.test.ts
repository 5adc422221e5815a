import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { publicConfig } from "../../../src/config/public.ts";
import { problemsIn } from "./refuse.ts";

const LOGS = { url: "https://logs.example/base" };

describe("decision_logs", () => {
  test("L1 has OPA's defaults, and a buffer that is bounded", () => {
    expect(parseConfig({}).decisionLogs).toEqual({
      console: false,
      maskDecision: "system/log/mask",
      dropDecision: "system/log/drop",
      builtinAnswers: false,
      headers: [],
      maxUploadBytes: 32_768,
      reporting: {
        trigger: "periodic",
        minDelayMs: 300_000,
        maxDelayMs: 600_000,
        maxEvents: 1_000_000,
        maxBytes: 64 * 2 ** 20,
      },
    });
  });

  test("L1 reads OPA's keys", () => {
    const config = parseConfig(
      {
        services: {
          other: { url: "http://other", credentials: { s3_signing: {} } },
          logs: {
            ...LOGS,
            response_header_timeout_seconds: 3,
            credentials: {
              bearer: { token: "s3cret" },
              client_tls: {
                cert: "c.pem",
                private_key: "k.pem",
                private_key_passphrase: "s3cret",
                cert_reread_interval_seconds: 60,
              },
            },
            tls: { ca_cert: "ca.pem", system_ca_required: true },
          },
        },
        decision_logs: {
          service: "logs",
          partition_name: "part",
          mask_decision: "/my/mask",
          nd_builtin_cache: false,
          reporting: {
            buffer_type: "event",
            buffer_size_limit_events: 0,
            upload_size_limit_bytes: 1_000,
            min_delay_seconds: 1,
            max_delay_seconds: 2,
            max_decisions_per_second: 0.5,
            trigger: "immediate",
          },
        },
      },
      { baseDir: "/etc" },
    );
    expect(config.decisionLogs).toMatchObject({
      upload: {
        service: "logs",
        url: "https://logs.example/base/logs/part",
        timeoutMs: 3_000,
        tls: {
          caFile: "/etc/ca.pem",
          systemCa: true,
          certFile: "/etc/c.pem",
          keyFile: "/etc/k.pem",
        },
      },
      maskDecision: "my/mask",
      reporting: { minDelayMs: 1_000, maxDelayMs: 2_000, maxEvents: 0, maxDecisionsPerSecond: 0.5 },
    });
    expect(JSON.stringify([config.decisionLogs, publicConfig(config)])).not.toContain("s3cret");
    expect(publicConfig(config)["decision_logs"]).toMatchObject({ service: "logs" });
  });

  test("L1 reads OPA's older place of the authority, where the newer one has none", () => {
    const older = { cert: "c", private_key: "k", ca_cert: "old.pem", system_ca_required: true };
    const tlsOf = (tls: object): object | undefined =>
      parseConfig(service({ credentials: { client_tls: older }, tls }), { baseDir: "/etc" })
        .decisionLogs.upload?.tls;
    expect(tlsOf({})).toMatchObject({ caFile: "/etc/old.pem", systemCa: true });
    expect(tlsOf({ ca_cert: "new.pem" })).toMatchObject({
      caFile: "/etc/new.pem",
      systemCa: false,
    });
  });

  test("L1 uses the first service where none is named, unless the console is on, as in OPA", () => {
    const services = { first: LOGS, second: { url: "http://second" } };
    expect(parseConfig({ services, decision_logs: {} }).decisionLogs.upload?.service).toBe("first");
    const logs = { console: true };
    expect(parseConfig({ services, decision_logs: logs }).decisionLogs.upload).toBeUndefined();
    expect(parseConfig({ services }).decisionLogs.upload).toBeUndefined();
  });

  test("says when decisions have nowhere to go", () => {
    expect(parseConfig({ decision_logs: {} }).warnings).toEqual([
      "decision_logs has nowhere to go: give console, service or nats.subject.",
    ]);
  });

  test.each<[object, string]>([
    [
      { decision_logs: { service: "x" } },
      'decision_logs.service = "x": there is no such service; name one of services (none)',
    ],
    [
      { decision_logs: { service: "toString" }, services: { a: LOGS } },
      "there is no such service; name one of services (a)",
    ],
    [{ decision_logs: { nats: { subject: "a.*" } } }, "must be a subject without wildcards"],
    [{ decision_logs: { plugin: "x" } }, "decision_logs.plugin: there are no plugins here"],
    [{ decision_logs: { reporting: { trigger: "manual" } } }, 'must be "periodic" or "immediate"'],
    [{ decision_logs: { reporting: { buffer_type: "x" } } }, 'must be "size" or "event"'],
    [
      { decision_logs: { reporting: { min_delay_seconds: 1 } } },
      "max_delay_seconds is missing; give both delays",
    ],
    [
      { decision_logs: { reporting: { max_delay_seconds: 1 } } },
      "min_delay_seconds is missing; give both delays",
    ],
    [
      { decision_logs: { reporting: { min_delay_seconds: 2, max_delay_seconds: 1 } } },
      "must not be less than min_delay_seconds",
    ],
    [{ decision_logs: { reporting: { max_decisions_per_second: 0 } } }, "must be a number above 0"],
    [{ decision_logs: { reporting: { delay: 1 } } }, "decision_logs.reporting.delay: unknown key"],
    [
      { decision_logs: { request_context: { http: { headers: ["a b"] } } } },
      "must be the name of a header",
    ],
    [
      service({ credentials: { oauth2: {} } }),
      "services.s.credentials.oauth2 = a map: is not supported",
    ],
    [service({ credentials: { bearer: {} } }), "give token or token_path"],
    [service({ credentials: { client_tls: { cert: "c" } } }), "give cert and private_key together"],
    [service({ url: "ftp://h" }), 'must begin with "http://"'],
    [service({ url: "http://u:s3cret@h" }), "must not hold a user"],
    [service({ headers: { a: 1 } }), "must be a map from header to text"],
  ])("refuses %j", (input, message) => {
    const problems = problemsIn(input).join("\n");
    expect(problems).toContain(message);
    expect(problems).not.toContain("s3cret");
  });
});

function service(more: object): object {
  return { services: { s: { ...LOGS, ...more } }, decision_logs: { service: "s" } };
}
