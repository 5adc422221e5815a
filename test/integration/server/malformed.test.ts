import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { MALFORMED, MAX_BODY } from "./malformed-table.ts";
import { API, type Service, startService } from "./service.ts";

let nats: NatsServer;
let service: Service;

beforeAll(async () => {
  nats = await startNatsServer();
  service = await startService(API, { server_url: nats.url }, { maxBodyBytes: MAX_BODY });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await nats.stop();
});

describe("a request that can't be answered", () => {
  it("stands in a table of at least 150", () => {
    expect(MALFORMED.length).toBeGreaterThanOrEqual(150);
  });

  it.each(MALFORMED)(
    "is told so with its status and code: $what",
    async ({ method, path, body, headers, status, code }) => {
      const reply = await service.get(path, {
        method,
        ...(body !== undefined && { body }),
        ...(headers && { headers }),
      });
      expect([reply.status, reply.body]).toMatchObject([status, { code }]);
      expect(reply.text).not.toMatch(/node_modules|\bat .*:\d+:\d+|\/work\//);
    },
  );

  it("leaves the service as it was", async () => {
    const reply = await service.decide("api/allow", { user: "alice" });
    expect([reply.status, reply.text]).toEqual([200, '{"result":true}']);
    expect(({} as { inputs?: unknown }).inputs).toBeUndefined();
  });
});
