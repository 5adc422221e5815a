import { connect } from "nats";
import { describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { BASIC, startService } from "./service.ts";

/** The bridge's user may read what these subjects allow; the other one may do everything. */
function usersConfig(publish: readonly string[]): string {
  const rights = `{ publish: ${JSON.stringify(publish)}, subscribe: ["_INBOX.>"] }`;
  return `authorization { users: [
    { user: admin, password: pw }
    { user: bridge, password: pw, permissions: ${rights} }
  ] }`;
}

const READ = ["$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.CREATE.*", "$JS.FC.>"];

describe("R4 a bucket that can't be followed although NATS is connected", () => {
  it("R4 O15 O28 O29 makes the service not ready, with the reason, until it can be followed again", async () => {
    await using nats = await startNatsServer({ config: usersConfig(READ) });
    const admin = await connect({ servers: nats.url, user: "admin", pass: "pw" });
    const kv = await admin.jetstream().views.kv("b");
    await kv.put("k", '"old"');
    await using service = await startService(BASIC, {
      server_url: nats.url,
      username: "bridge",
      password: "pw",
      reconnect_wait: "50ms",
      root_bucket: "b",
      staleness: [{ buckets: ["b"], max_staleness: "2s", on_stale: "flag" }],
    });
    const ready = () => service.get("/health/ready");
    expect(await ready()).toMatchObject({ status: 200 });

    await nats.writeConfig(usersConfig(READ.filter((right) => !right.includes("CONSUMER"))));
    await nats.reload();
    // The consumer that follows the bucket is lost, and no other may be made.
    const manager = await admin.jetstreamManager();
    for await (const { name } of manager.consumers.list("KV_b")) {
      await manager.consumers.delete("KV_b", name);
    }
    await kv.put("k", '"new"');
    await vi.waitFor(
      async () => {
        expect(await ready()).toMatchObject({
          status: 503,
          body: { reasons: [expect.stringMatching(/^bucket "b" is over its staleness budget/)] },
        });
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(service.bridge.status().nats.state).toBe("connected");
    await vi.waitFor(
      () => {
        const [bucket] = service.bridge.status().watch.buckets;
        expect(bucket).toMatchObject({
          stale: true,
          state: "recovering",
          failingMs: expect.any(Number),
          lastError: expect.stringContaining("CONSUMER.CREATE"),
        });
      },
      { timeout: 20_000, interval: 50 },
    );
    expect((await service.get("/health/live")).status).toBe(200);

    await nats.writeConfig(usersConfig(READ));
    await nats.reload();
    await vi.waitFor(async () => expect(await ready()).toMatchObject({ status: 200 }), {
      timeout: 40_000,
      interval: 50,
    });
    expect((await service.get("/v1/data/k")).text).toBe('{"result":"new"}');
    await admin.close();
  });
});
