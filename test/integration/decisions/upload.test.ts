import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AT_ONCE, sharedCollecting, startLogged } from "./kit.ts";

const shared = sharedCollecting();
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "decision-log-"));
});

afterAll(() => rm(dir, { recursive: true }));

/** Long enough for a busy machine. */
const PATIENT = { timeout: 20_000, interval: 10 };

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

describe("the decision log of a service", () => {
  it("L1 uploads OPA's events, by OPA's protocol", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: `${shared.collector.url}/base/`, headers: { "X-Tenant": "a" } } },
      labels: { region: "west" },
      decision_logs: {
        reporting: AT_ONCE,
        request_context: { http: { headers: ["User-Agent", "X-Absent", "__proto__"] } },
      },
    });
    const input = '{"user":"alice","id":12345678901234567890}';
    const answer = await service.decide("app/echo", input, {
      "user-agent": "tester",
      authorization: "Bearer s3cret",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    expect(answer.decision_id).toMatch(UUID);
    await vi.waitFor(() => expect(shared.collector.uploads).toHaveLength(1), PATIENT);
    const [upload] = shared.collector.uploads;
    expect(upload).toMatchObject({
      path: "/base/logs",
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "x-tenant": "a",
      },
    });
    const [event] = shared.collector.events();
    expect(event).toEqual({
      labels: { region: "west", id: expect.stringMatching(UUID), version: expect.any(String) },
      decision_id: answer.decision_id,
      trace_id: "0af7651916cd43dd8448eb211c80319c",
      span_id: "b7ad6b7169203331",
      bundles: { bundle: { revision: "decision-log-1" } },
      path: "app/echo",
      input: JSON.parse(input) as unknown,
      result: JSON.parse(input) as unknown,
      requested_by: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
      metrics: expect.objectContaining({ timer_rego_query_eval_ns: expect.any(Number) }),
      req_id: 1,
      request_context: { http: { headers: { "User-Agent": ["tester"] } } },
    });
    // Spliced in as text: JSON.parse would have lost the last digits.
    expect(upload!.text).toMatch(/"result":\{[^}]*"id":12345678901234567890[,}]/);
    expect(upload!.text).not.toContain("s3cret");
  });

  it("L1 logs what fails, with its code, and what is too deep for its masks without its content", async () => {
    await using service = await startLogged(shared.nats, {
      services: [{ name: "logs", url: shared.collector.url }],
      decision_logs: { service: "logs", reporting: AT_ONCE },
    });
    const deep = "[".repeat(3_000) + "]".repeat(3_000);
    await expect(service.bridge.decideText("app/echo", deep)).rejects.toThrow("nested deeper");
    await service.bridge.recording!.log.flush();
    await shared.events(1);
    const [event] = shared.collector.events();
    expect(event).toMatchObject({
      path: "app/echo",
      error: { code: "INPUT_INVALID" },
      erased: ["/input"],
    });
    expect(event).not.toHaveProperty("input");
    expect(event).not.toHaveProperty("result");
  });

  it("L1 masks and drops by policy, and what it can't mask it doesn't show", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: shared.collector.url } },
      decision_logs: { reporting: AT_ONCE },
    });
    const { bridge } = service;
    await bridge.decide("app/allow", { user: "probe" });
    await bridge.decide("app/echo", { bad_mask: true, password: "s3cret" });
    await bridge.decide("app/allow", { user: "alice", password: "s3cret", card: "s3cret" });
    await bridge.decide("app/echo", { hide_result: "s3cret-no-more", n: 1 });
    await shared.events(2);
    const [first, second] = shared.collector.events();
    expect(first).toMatchObject({
      input: { user: "alice", card: "hidden" },
      erased: ["/input/password"],
      masked: ["/input/card"],
      result: true,
    });
    expect(first!["input"]).not.toHaveProperty("password");
    expect(second).toMatchObject({ erased: ["/result"] });
    expect(second).not.toHaveProperty("result");
    expect(shared.collector.uploads.map(({ text }) => text).join("")).not.toMatch(/s3cret"/);
    await vi.waitFor(() =>
      expect(bridge.status().decisionLog).toMatchObject({
        decisions: 4,
        delivered: 2,
        dropped_by_policy: 1,
        dropped_masking_failed: 1,
      }),
    );
  });

  it("L1 O25 loses nothing that fits in an outage of its service, and keeps the order", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: shared.collector.url } },
      decision_logs: {
        reporting: { ...AT_ONCE, min_delay_seconds: 0, max_delay_seconds: 1 },
      },
    });
    const ids: string[] = [];
    const decide = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const { decision_id: id } = await service.decide("app/allow", `{"n":${index}}`);
        ids.push(id!);
      }
    };
    const figures = () => service.bridge.recording!.log.figures();
    await decide(20);
    await shared.collector.stop();
    await decide(50);
    await vi.waitFor(() => expect(figures().delivery_failures).toBeGreaterThanOrEqual(1), PATIENT);
    await shared.collector.start();
    shared.collector.answer(500);
    const failures = figures().delivery_failures;
    await decide(50);
    await vi.waitFor(() => expect(figures().delivery_failures).toBeGreaterThan(failures), PATIENT);
    shared.collector.answer(200);
    await decide(10);
    await vi.waitFor(
      () => expect(shared.collector.events().length).toBeGreaterThanOrEqual(130),
      PATIENT,
    );
    expect(shared.collector.events().map((event) => event.decision_id)).toEqual(ids);
    await vi.waitFor(
      () => expect(figures()).toMatchObject({ delivered: 130, waiting: 0 }),
      PATIENT,
    );
  });

  it("L1 sends no upload above its limit, and counts an event that alone is above it", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: shared.collector.url } },
      decision_logs: { reporting: { ...AT_ONCE, upload_size_limit_bytes: 2_000 } },
    });
    const { bridge } = service;
    // Random text doesn't pack.
    const noise = (length: number): string =>
      Array.from({ length }, () => String.fromCharCode(33 + Math.floor(Math.random() * 90))).join(
        "",
      );
    for (let index = 0; index < 200; index++) {
      const size = index === 100 ? 10_000 : index % 7 === 0 ? 900 : 3;
      await bridge.decide("app/allow", { index, noise: noise(size) });
    }
    await shared.events(199);
    expect(Math.max(...shared.collector.uploads.map(({ bytes }) => bytes))).toBeLessThanOrEqual(
      2_000,
    );
    // It has learned how much packs into one upload.
    expect(shared.collector.uploads.length).toBeLessThan(100);
    const indexes = shared.collector
      .events()
      .map((event) => (event["input"] as { index: number }).index);
    expect(indexes).toEqual(
      Array.from({ length: 200 }, (_, index) => index).filter((index) => index !== 100),
    );
    await vi.waitFor(() =>
      expect(bridge.status().decisionLog).toMatchObject({
        delivered: 199,
        decision_logs_encoding_failure: 1,
      }),
    );
  });

  it("L1 shows its bearer token, read anew from its file, to the service and to nobody else", async () => {
    const file = join(dir, "token");
    await writeFile(file, "s3cret-1\n");
    await using service = await startLogged(shared.nats, {
      services: {
        logs: {
          url: shared.collector.url,
          credentials: { bearer: { token_path: file, scheme: "Token" } },
        },
      },
      decision_logs: { reporting: AT_ONCE },
    });
    await service.decide("app/allow", "{}");
    await vi.waitFor(() => expect(shared.collector.uploads).toHaveLength(1), PATIENT);
    await writeFile(file, "s3cret-2\n");
    await service.decide("app/allow", "{}");
    await vi.waitFor(() => expect(shared.collector.uploads).toHaveLength(2), PATIENT);
    const shown = shared.collector.uploads.map(({ headers }) => headers.authorization);
    expect(shown).toEqual(["Token s3cret-1", "Token s3cret-2"]);
    expect(JSON.stringify(service.bridge.status())).not.toContain("s3cret");
  });

  it("O64 delivers what waits when the bridge closes, and closes in time when it can't", async () => {
    const slow = { min_delay_seconds: 300, max_delay_seconds: 600 };
    const options = {
      services: { logs: { url: shared.collector.url } },
      decision_logs: { reporting: slow },
    };
    const first = await startLogged(shared.nats, options);
    await first.decide("app/allow", "{}");
    expect(shared.collector.uploads).toHaveLength(0);
    await first[Symbol.asyncDispose]();
    expect(shared.collector.events()).toHaveLength(1);

    shared.collector.answer("hang");
    const second = await startLogged(shared.nats, options);
    await second.decide("app/allow", "{}");
    const started = performance.now();
    await second[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(second.bridge.status().decisionLog).toMatchObject({ dropped_at_close: 1 });
  });

  it("answers without a decision_id where the log is off", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: shared.collector.url } },
    });
    expect(await service.decide("app/allow", "{}")).toEqual({ result: false });
    expect(service.bridge.status()).not.toHaveProperty("decisionLog");
  });
});
