import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { HttpSink, type HttpSinkOptions } from "../../../src/decisions/http-sink.ts";
import { makeTlsFiles } from "../../support/credentials.ts";
import { startLogCollector } from "../../support/log-collector.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { BASIC } from "../server/service.ts";
import { AT_ONCE, eventsOf, sharedCollecting, startLogged } from "./kit.ts";

const shared = sharedCollecting();

beforeAll(() => shared.put("team", { key: '"value"' }));

describe("an event of the decision log", () => {
  it("L1 tells the time that the policy took from the time that it waited for buckets, as the answer does", async () => {
    await using proxy = await startTcpProxy(shared.nats.port);
    await using service = await startLogged(
      proxy,
      { services: { logs: { url: shared.collector.url } }, decision_logs: { reporting: AT_ONCE } },
      BASIC,
    );
    proxy.delay(200);
    const answer = (await service.decide(
      "basic/value?metrics",
      '{"bucket":"team","key":"key"}',
    )) as {
      result: unknown;
      metrics: Record<string, number>;
    };
    expect(answer.result).toBe("value");
    const [event] = await shared.events(1);
    const metrics = event!["metrics"] as Record<string, number>;
    // At least once to the server and back.
    expect(metrics["timer_rego_external_resolve_ns"]).toBeGreaterThan(190e6);
    expect(metrics["timer_rego_query_eval_ns"]).toBeGreaterThan(0);
    expect(metrics["timer_rego_query_eval_ns"]).toBeLessThan(100e6);
    for (const timer of ["timer_rego_external_resolve_ns", "timer_rego_query_eval_ns"]) {
      expect([timer, answer.metrics[timer]]).toEqual([timer, metrics[timer]]);
    }
  });

  it("P2 names the batch that its decision was part of, and an identity of its own", async () => {
    await using service = await startLogged(shared.nats, {
      services: { logs: { url: shared.collector.url } },
      decision_logs: { reporting: AT_ONCE },
    });
    const response = await fetch(`${service.url}/v1/batch/data/app/allow`, {
      method: "POST",
      body: '{"inputs":{"a":{"user":"alice"},"b":{"user":"bob"}}}',
    });
    const answer = (await response.json()) as {
      batch_decision_id: string;
      responses: Record<string, { decision_id: string; result: boolean }>;
    };
    await service.decide("app/allow", '{"user":"alice"}');
    const events = await shared.events(3);
    const { a, b } = answer.responses;
    const batch = events.filter((event) => event["batch_decision_id"] === answer.batch_decision_id);
    expect(new Map(batch.map(({ decision_id: id, result }) => [id, result]))).toEqual(
      new Map([
        [a!.decision_id, true],
        [b!.decision_id, false],
      ]),
    );
    expect(new Set([answer.batch_decision_id, ...batch.map((each) => each.decision_id)]).size).toBe(
      3,
    );
    expect(events.filter((event) => "batch_decision_id" in event)).toHaveLength(2);
  });

  it("S1 goes to a service that proves who it is, from one that does, and to no other", async () => {
    await using files = await makeTlsFiles();
    const own = {
      ca: files.ca,
      cert: await readFile(files.serverCertFile),
      key: await readFile(files.serverKeyFile),
      requestCert: true,
      rejectUnauthorized: true,
    };
    await using secure = await startLogCollector(own);
    const mutual = {
      url: secure.url,
      tls: { ca_cert: files.caFile },
      credentials: {
        client_tls: { cert: files.clientCertFile, private_key: files.clientKeyFile },
      },
    };
    const log = { reporting: { ...AT_ONCE, max_delay_seconds: 1, min_delay_seconds: 0 } };
    await using known = await startLogged(shared.nats, {
      services: { logs: mutual },
      decision_logs: log,
    });
    await known.decide("app/allow", '{"n":1}');
    await eventsOf(secure, 1);
    const { tls: _, ...unproved } = mutual;
    const { credentials: __, ...unnamed } = mutual;
    for (const logs of [unproved, unnamed]) {
      await using refused = await startLogged(shared.nats, {
        services: { logs },
        decision_logs: log,
      });
      await refused.decide("app/allow", '{"n":2}');
      await vi.waitFor(() => {
        const figures = refused.bridge.recording!.log.figures();
        expect(figures.delivery_failures).toBeGreaterThan(0);
        expect(figures.waiting).toBe(1);
      }, 10_000);
    }
    expect(secure.events()).toHaveLength(1);
  });

  it("S1 says which key helps where the service and the log don't trust each other", async () => {
    await using files = await makeTlsFiles();
    await using stranger = await makeTlsFiles();
    await using secure = await startLogCollector({
      ca: files.ca,
      cert: await readFile(files.serverCertFile),
      key: await readFile(files.serverKeyFile),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const events = [{ decisionId: "d", text: "{}" }];
    const send = async (tls: Omit<NonNullable<HttpSinkOptions["tls"]>, "insecure">) => {
      const sink = new HttpSink({
        service: "logs",
        url: new URL(secure.url),
        headers: {},
        tls: { ...tls, insecure: false },
        maxUploadBytes: 1_000,
        timeoutMs: 10_000,
      });
      try {
        return await sink.send(events, new AbortController().signal);
      } finally {
        sink.close();
      }
    };
    const [caFile, certFile, keyFile] = [files.caFile, files.clientCertFile, files.clientKeyFile];
    await expect(send({ caFile, certFile, keyFile })).resolves.toEqual({ done: 1 });
    await expect(send({ caFile })).rejects.toMatchObject({
      code: "DECISION_SINK",
      message: expect.stringContaining("services.logs.credentials.client_tls") as string,
    });
    await expect(send({ caFile: stranger.caFile, certFile, keyFile })).rejects.toMatchObject({
      code: "DECISION_SINK",
      message: expect.stringContaining("services.logs.tls.ca_cert") as string,
    });
  });
});
