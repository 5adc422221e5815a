import { expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { policyFile, type Service, startService } from "./service.ts";

const RUNAWAY = policyFile("../../policies/runaway/bundle.tar.gz");
const LIMIT_MS = 100;
/** What ending it may add, and answering that it was ended. */
const SLACK_MS = 500;
const TEXT = "a".repeat(20_000);

/** The processor's time that this process has had, in milliseconds: a machine that has other things to do adds nothing. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

it("a runaway policy over HTTP is ended in time, and every other decision is answered", async () => {
  await using nats = await startNatsServer();
  await using service = await startService(RUNAWAY, {
    server_url: nats.url,
    evaluation_timeout: `${LIMIT_MS}ms`,
  });
  const small = (user: string) => service.decide("runaway/small", { user });
  const others = () =>
    Promise.all(Array.from({ length: 20 }, (_, index) => small(index % 2 === 0 ? "alice" : "bob")));
  const runaway = () =>
    service.decide("runaway/search", { n: 1e6, text: `${TEXT}${TEXT}`, part: `${TEXT}b` });

  // The limit is one of the same time that is measured here.
  using _clock = vi.spyOn(performance, "now").mockImplementation(processorMs);
  await others();
  const [, usualMs] = await timed(others);
  const [[ended, answered], spentMs] = await timed(() => Promise.all([runaway(), others()]));
  expect(spentMs).toBeLessThan(LIMIT_MS + usualMs + SLACK_MS);
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
  for (const [index, { status, body }] of answered.entries()) {
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

async function timed<T>(act: () => Promise<T>): Promise<[made: T, spentMs: number]> {
  const before = processorMs();
  return [await act(), processorMs() - before];
}

async function expectCounted({ url }: Service, name: string, outcome: string): Promise<void> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain(`_count{path="runaway/${name}",outcome="${outcome}"} 1\n`);
}
