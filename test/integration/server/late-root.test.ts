import { connect } from "nats";
import { expect, it } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { metric } from "./scrape.ts";
import { BASIC, startService } from "./service.ts";

it("R4 is ready once the root bucket is made, though it was missing at the start; the metrics say so, and no age before", async () => {
  await using nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  await using service = await startService(BASIC, {
    server_url: nats.url,
    retry_on_failed_connect: true,
    root_bucket: "root",
    missing_bucket_ttl: "100ms",
  });
  const state = (): string | undefined => service.bridge.manager.status().buckets[0]?.state;
  await expect.poll(state, { timeout: 20_000 }).toBe("failed");
  expect(await metric(service.url, "ready")).toBe(0);
  expect(await metric(service.url, 'bucket_staleness_seconds{bucket="root"}')).toBeUndefined();

  await (await client.jetstream().views.kv("root")).put("key", "1");
  const ready = async (): Promise<unknown> => (await service.get("/health/ready")).body;
  await expect.poll(ready, { timeout: 20_000 }).toEqual({});
  expect(await metric(service.url, "ready")).toBe(1);
  expect(await metric(service.url, 'bucket_staleness_seconds{bucket="root"}')).toBeTypeOf("number");
  await client.close();
});
