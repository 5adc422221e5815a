import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildApp } from "../../../src/server/server.ts";
import { steadyBytes } from "../../support/memory.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { API, type Service, startService } from "./service.ts";

// `npm run test:fuzz` makes 100,000 requests.
const RUNS = Number(process.env["FC_RUNS"] ?? 1_500);
const WARM_UP = 1_000;

let nats: NatsServer;
let service: Service;
let app: FastifyInstance;

beforeAll(async () => {
  nats = await startNatsServer();
  service = await startService(API, { server_url: nats.url, query_timeout: "200ms" });
  app = buildApp(service.bridge, { maxBodyBytes: 20_000 });
});

afterAll(async () => {
  await app.close();
  await service[Symbol.asyncDispose]();
  await nats.stop();
});

const segment = fc.oneof(
  fc.constantFrom("api", "allow", "echo", "nested", "a", "0", "1", "nats", "kv", "team", "system"),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "%2F",
    "%00",
    "%zz",
    "..",
    ".",
    "",
    "*",
    ":a(",
    "%f0%9f%98%80",
  ),
  fc.string({ unit: "grapheme", maxLength: 8 }).map((text) => encodeURIComponent(text)),
);
const path = fc
  .tuple(
    fc.constantFrom("/v1/data", "/v0/data", "/v1/batch/data", "", "/v1", "/health", "/v1/config"),
    fc.array(segment, { maxLength: 5 }),
  )
  .map(([base, segments]) => `${base}/${segments.join("/")}`);
const parameter = fc
  .tuple(
    fc.constantFrom(
      "pretty",
      "metrics",
      "instrument",
      "provenance",
      "explain",
      "strict-builtin-errors",
      "input",
      "min_revision",
      "min_revision_timeout",
      "bundles",
      "plugins",
      "__proto__",
      "exclude-plugin",
    ),
    fc.oneof(
      fc.constantFrom("", "true", "false", "full", "1ms", "team:1", "{}", '{"a":1}', "%7B"),
      fc.string({ maxLength: 8 }),
    ),
  )
  .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
const document = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.json().map((json) => `{"input":${json}}`),
  fc
    .dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
    .map((inputs) => JSON.stringify({ inputs, common_input: { a: { b: 1 } } })),
  fc.json().map((json) => json.slice(0, json.length / 2)),
  fc.constantFrom(
    "[".repeat(300),
    `{"input":${"[".repeat(300)}${"]".repeat(300)}}`,
    "input: {a: [1",
  ),
  fc.constantFrom('{"input":1e999999}', '{"input":-0}', `{"input":${"9".repeat(400)}}`, "null"),
  fc.string({ unit: "grapheme" }),
);
const body = fc.oneof(
  document.map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  document.map((text) => gzipSync(text)),
  fc.tuple(document, fc.nat(40)).map(([text, end]) => gzipSync(text).subarray(0, end)),
);
const headers = fc.record(
  {
    "content-type": fc.constantFrom("application/json", "text/yaml", "text/plain", "x/y; z"),
    "content-encoding": fc.constantFrom("gzip", "identity", "br", ""),
    "accept-encoding": fc.constantFrom("gzip", "*", "gzip;q=0", "\u00e9"),
    authorization: fc.string({ maxLength: 8 }).map(encodeURIComponent),
  },
  { requiredKeys: [] },
);
const method = fc.constantFrom("GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD");

/** What is answered with 501 says that it is not supported; with 500, that the policy itself has failed. */
function isHonest(status: number, text: string): boolean {
  if (status < 500) return true;
  return status === 501 ? text.includes("NOT_SUPPORTED") : text.includes("EVALUATION_FAILED");
}

it("random requests end neither in a failure of the service nor in growth", async () => {
  const request = fc.record({
    method,
    path,
    parameters: fc.array(parameter, { maxLength: 3 }),
    body,
    headers,
  });
  const send = async (numRuns: number, seeded: { seed?: number; path?: string }): Promise<void> => {
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, parameters, body, headers }) => {
        const url = parameters.length === 0 ? path : `${path}?${parameters.join("&")}`;
        const answer = await app.inject({ method: method as "GET", url, payload: body, headers });
        expect([answer.statusCode, answer.body, isHonest(answer.statusCode, answer.body)]).toEqual([
          answer.statusCode,
          answer.body,
          true,
        ]);
      }),
      { numRuns, ...seeded },
    );
  };
  const size = async (): Promise<number> => {
    return (await steadyBytes()) + service.bridge.status().policy!.resident.heapBytes;
  };
  // Whatever is made once, on a first use of it, is made here.
  await send(WARM_UP, {});
  const before = await size();
  await send(RUNS, replay());
  const grown = (await size()) - before;
  // It was 0.4 MiB after 1,500 requests.
  expect(grown).toBeLessThan(2 * 2 ** 20);
  const { remembered, watchers } = service.bridge.status().watch;
  expect([watchers, remembered.pinned, remembered.creating]).toEqual([0, 0, 0]);
  expect((await service.decide("api/allow", { user: "alice" })).text).toBe('{"result":true}');
}, 3_600_000);

function replay(): { seed?: number; path?: string } {
  const { FC_SEED: seed, FC_PATH: path } = process.env;
  return { ...(seed !== undefined && { seed: Number(seed) }), ...(path !== undefined && { path }) };
}
