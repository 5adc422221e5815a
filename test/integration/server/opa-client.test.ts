import { writeFile, rm, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPAClient } from "@open-policy-agent/opa";
import { OpaApiClient } from "@open-policy-agent/opa/sdk/sdk.js";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { API, type Service, startService } from "./service.ts";

let nats: NatsServer;
let connection: NatsConnection;
let service: Service;
let opa: OPAClient;
let api: OpaApiClient;

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await connect({ servers: nats.url });
  const team = await connection.jetstream().views.kv("team");
  await team.put("members.alice", '{"role":"admin"}');
  service = await startService(API, { server_url: nats.url });
  await service.bridge.manager.getOrCreateWatcher("team");
  opa = new OPAClient(service.url);
  api = new OpaApiClient({ serverURL: service.url });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await connection.close();
  await nats.stop();
});

describe("OPA's own client", () => {
  it("evaluates with an input, with a falsy one, and with none", async () => {
    expect(await opa.evaluate("api/allow", { user: "alice" })).toBe(true);
    expect(await opa.evaluate("api/allow", { user: "bob" })).toBe(false);
    expect(await opa.evaluate("api/echo", false)).toBe(false);
    expect(await opa.evaluate("api/echo", 0)).toBe(0);
    expect(await opa.evaluate("api/allow")).toBe(false);
    expect(await opa.evaluate("api/member", { user: "alice" })).toEqual({ role: "admin" });
    expect(await opa.evaluate("nats/kv/team/members")).toEqual({ alice: { role: "admin" } });
  });

  it("is told of no result as of none", async () => {
    await expect(opa.evaluate("api/nothing", {})).resolves.toBeUndefined();
  });

  it("evaluates the default decision", async () => {
    expect(await opa.evaluateDefault({ user: "bob" })).toEqual({ input: { user: "bob" } });
    expect(await opa.evaluateDefault()).toEqual({ input: {} });
    await expect(opa.evaluateDefault({ undefined: true })).rejects.toMatchObject({
      code: "undefined_document",
    });
  });

  it("evaluates batches in one request: all good, mixed, and all failed", async () => {
    const good = await opa.evaluateBatch("api/allow", { a: { user: "alice" }, b: { user: "bob" } });
    expect(good).toEqual({ a: true, b: false });
    const inputs = { ok: { one: 1 }, bad: { one: 1, two: 2 } };
    const mixed = await opa.evaluateBatch("api/conflict", inputs);
    expect(mixed["ok"]).toBe(1);
    expect(mixed["bad"]).toMatchObject({ code: "internal_error", httpStatusCode: "500" });
    await expect(opa.evaluateBatch("api/conflict", inputs, { rejectMixed: true })).rejects.toThrow(
      /api\/conflict|error/i,
    );
    await expect(opa.evaluateBatch("api/conflict", { bad: inputs.bad })).rejects.toMatchObject({
      name: "BatchServerError",
      responses: { bad: { code: "internal_error" } },
    });
  });

  it("reads health, metrics and provenance in the shapes that it checks", async () => {
    expect((await api.health()).healthyServer).toEqual({});
    expect((await api.health(true, true, ["nats"])).healthyServer).toEqual({});
    const answer = await api.executePolicy({
      path: "api/allow",
      metrics: true,
      provenance: true,
      instrument: true,
      pretty: true,
    });
    expect(answer.successfulPolicyResponse).toMatchObject({
      result: false,
      provenance: { bundles: { bundle: { revision: "api-1" } } },
    });
  });

  it("is told what was wrong, in the shapes that it checks", async () => {
    const asked = api.executePolicyWithInput({
      path: "api/conflict",
      requestBody: { input: { one: 1, two: 2 } },
    });
    await expect(asked).rejects.toMatchObject({
      name: "ServerError",
      code: "internal_error",
      message: "error(s) occurred while evaluating query",
    });
    await expect(opa.getFilters("api/allow", {}, { target: "mysql" } as never)).rejects.toThrow(
      /501|compiled to WebAssembly/,
    );
  });

  it("is told that the service is not healthy", async () => {
    await using bare = await startService(undefined, { server_url: nats.url });
    const asked = new OpaApiClient({ serverURL: bare.url }).health(true, true);
    await expect(asked).rejects.toMatchObject({ name: "UnhealthyServer" });
  });

  it("gives up after its timeout, and the service goes on", async () => {
    const proxy = await startTcpProxy(service.server.port);
    try {
      const patient = new OPAClient(`http://127.0.0.1:${proxy.port}`, { sdk: { timeoutMs: 500 } });
      expect(await patient.evaluate("api/allow", { user: "alice" })).toBe(true);
      proxy.blackhole();
      await expect(patient.evaluate("api/allow", {})).rejects.toMatchObject({
        name: "RequestTimeoutError",
      });
    } finally {
      await proxy[Symbol.asyncDispose]();
    }
    expect(await opa.evaluate("api/allow", { user: "alice" })).toBe(true);
  });

  it("is let in with its bearer token, and kept out without", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tokens-"));
    const tokenFile = join(folder, "tokens");
    await writeFile(tokenFile, "s3cret\n");
    await using guarded = await startService(
      API,
      { server_url: nats.url },
      { authentication: "token", tokenFile },
    );
    const known = new OPAClient(guarded.url, { sdk: { bearerAuth: "s3cret" } });
    expect(await known.evaluate("api/allow", { user: "alice" })).toBe(true);
    const asHeader = new OPAClient(guarded.url, { headers: { authorization: "Bearer s3cret" } });
    expect(await asHeader.evaluate("api/allow", { user: "alice" })).toBe(true);
    for (const bearerAuth of ["wrong", ""]) {
      const stranger = new OPAClient(guarded.url, { sdk: { bearerAuth } });
      await expect(stranger.evaluate("api/allow", {})).rejects.toThrow("Status 401");
    }
    await rm(folder, { recursive: true });
  });
});
