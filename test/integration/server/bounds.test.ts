import { expect, it } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { policyFile, type Service, startService } from "./service.ts";

const RUNAWAY = policyFile("../../policies/runaway/bundle.tar.gz");
const LIMIT_MS = 100;
/** What a busy machine, and the request itself, may add. */
const SLACK_MS = 3_000;
const TEXT = "a".repeat(20_000);

it("a runaway policy over HTTP is ended in time, and every other decision is answered", async () => {
  await using nats = await startNatsServer();
  await using service = await startService(RUNAWAY, {
    server_url: nats.url,
    evaluation_timeout: `${LIMIT_MS}ms`,
  });
  const small = (user: string) => service.decide("runaway/small", { user });

  const started = performance.now();
  const [ended, ...others] = await Promise.all([
    service.decide("runaway/search", { n: 1e6, text: `${TEXT}${TEXT}`, part: `${TEXT}b` }),
    ...Array.from({ length: 20 }, (_, index) => small(index % 2 === 0 ? "alice" : "bob")),
  ]);
  expect(performance.now() - started).toBeLessThan(LIMIT_MS + SLACK_MS);
  expect(ended).toMatchObject({
    status: 500,
    body: {
      code: "internal_error",
      message: "error(s) occurred while evaluating query",
      errors: [
        { code: "EVALUATION_TIMEOUT", message: expect.stringContaining("100 ms") as string },
      ],
    },
  });
  for (const [index, { status, body }] of others.entries()) {
    expect([status, body]).toEqual([200, { result: index % 2 === 0 }]);
  }

  expect(await small("alice")).toMatchObject({ status: 200, body: { result: true } });
  await expectCounted(service, "search", "EVALUATION_TIMEOUT");
});

it("a policy that needs too much memory or depth is ended over HTTP likewise", async () => {
  await using nats = await startNatsServer();
  await using service = await startService(RUNAWAY, {
    server_url: nats.url,
    evaluation_timeout: "20s",
    max_evaluation_memory: "8MiB",
  });
  for (const [name, input, code] of [
    ["range", { n: 1e9 }, "EVALUATION_MEMORY"],
    ["depth", { text: "[".repeat(50_000) + "]".repeat(50_000) }, "EVALUATION_DEPTH"],
  ] as const) {
    expect(await service.decide(`runaway/${name}`, input)).toMatchObject({
      status: 500,
      body: { errors: [{ code }] },
    });
    await expectCounted(service, name, code);
    const { body } = await service.decide("runaway/small", { user: "alice" });
    expect(body).toEqual({ result: true });
  }
});

async function expectCounted({ url }: Service, name: string, outcome: string): Promise<void> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain(`_count{path="runaway/${name}",outcome="${outcome}"} 1\n`);
}
