import { connect } from "nats";
import { describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { BASIC, startService } from "./service.ts";

interface Provenance {
  readonly buckets: Readonly<Record<string, number>>;
  readonly stale_buckets?: Readonly<Record<string, number>>;
}

/** Paths of everything that is watched. */
const ALL = ["", "/nats", "/nats/kv"];

describe("C5 R4 an outage that is longer than the budget", () => {
  it("fails closed where the configuration says so, says why, and is over by itself", async () => {
    await using nats = await startNatsServer();
    const client = await connect({ servers: nats.url, reconnectTimeWait: 50 });
    for (const bucket of ["admin", "hidden", "flagged", "open"]) {
      const kv = await client.jetstream().views.kv(bucket);
      await kv.put("k", '"v"');
    }
    await using service = await startService(BASIC, {
      server_url: nats.url,
      reconnect_wait: "100ms",
      staleness: [
        { buckets: ["admin"], max_staleness: "2s", on_stale: "unavailable" },
        { buckets: ["hidden"], max_staleness: "2s", on_stale: "hide" },
        { buckets: ["flagged"], max_staleness: "2s", on_stale: "flag" },
        { buckets: ["open"], max_staleness: "2s", on_stale: "serve" },
      ],
    });
    // The same, for a bucket that every decision may use.
    await using rooted = await startService(BASIC, {
      server_url: nats.url,
      reconnect_wait: "100ms",
      root_bucket: "open",
      staleness: [{ buckets: ["open"], max_staleness: "2s", on_stale: "unavailable" }],
    });
    const value = (bucket: string) => service.decide("basic/value", { bucket, key: "k" });
    const state = async (bucket: string) => {
      const { body } = await service.decide("basic/status", { bucket });
      return (body as { result: { state: string; revision?: number; age_ms: number } }).result;
    };
    /** What a decision's answer says of the buckets that it used. */
    const provenance = async (path: string, input: unknown) => {
      const { body } = await service.post(`/v1/data/${path}?provenance`, JSON.stringify({ input }));
      const { buckets, stale_buckets } = (body as { provenance: Provenance }).provenance;
      return { buckets, stale_buckets };
    };
    const ofFlagged = () => provenance("basic/value", { bucket: "flagged", key: "k" });
    const allThere = async (): Promise<void> => {
      for (const bucket of ["admin", "hidden", "flagged", "open"]) {
        expect((await value(bucket)).text).toBe('{"result":"v"}');
        expect(await state(bucket)).toMatchObject({ state: "live", revision: 1 });
      }
      expect((await service.get("/v1/data/nats/kv/admin/k")).text).toBe('{"result":"v"}');
      for (const path of ALL) {
        expect((await service.get(`/v1/data${path}`)).text).toContain('"admin":{"k":"v"}');
      }
      expect(await ofFlagged()).toEqual({ buckets: { flagged: 1 } });
      expect((await rooted.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
      expect(await service.get("/health/ready")).toMatchObject({ status: 200, text: "{}" });
    };
    await allThere();
    expect((await state("admin")).age_ms).toBeLessThan(2_000);

    await nats.kill();
    // Not at once: an ordinary reconnect is no reason to be sent no requests.
    expect((await service.get("/health/ready")).status).toBe(200);
    await vi.waitFor(
      async () => {
        expect((await service.get("/health/ready")).body).toMatchObject({
          error: "not ready",
          reasons: expect.toSatisfy((reasons: string[]) => {
            const named = reasons.map((reason) => reason.replace(/ \(\d+ s old\)$/, ""));
            return (
              named.toSorted().join() ===
              'bucket "admin" is over its staleness budget,bucket "flagged" is over its staleness budget,bucket "hidden" is over its staleness budget'
            );
          }) as unknown,
        });
      },
      { timeout: 8_000, interval: 50 },
    );
    expect((await service.get("/health/ready")).status).toBe(503);
    expect((await service.get("/health/live")).status).toBe(200);
    expect((await service.get("/health?plugins")).status).toBe(500);
    expect(await value("admin")).toMatchObject({
      status: 503,
      body: { errors: [{ code: "BUCKET_UNAVAILABLE" }] },
    });
    expect((await service.decide("basic/watched", { bucket: "admin" })).status).toBe(503);
    // What holds all buckets would lack this one, and say nothing of it.
    for (const path of ["/nats/kv/admin", "/nats/kv/admin/k", ...ALL]) {
      expect(await service.get(`/v1/data${path}`)).toMatchObject({
        status: 503,
        body: { errors: [{ code: "BUCKET_UNAVAILABLE" }] },
      });
    }
    expect((await service.get("/v1/data/nats/kv/hidden")).text).toBe("{}");
    await vi.waitFor(async () => {
      expect(await rooted.decide("basic/allow", { user: "alice" })).toMatchObject({
        status: 503,
        body: { errors: [{ code: "BUCKET_UNAVAILABLE" }] },
      });
    }, 8_000);
    expect((await rooted.get("/v1/data/k")).status).toBe(503);
    expect((await service.decide("basic/bucket", { bucket: "admin" })).text).toBe("{}");
    expect((await value("hidden")).text).toBe('{"result":null}');
    expect((await service.decide("basic/watched", { bucket: "hidden" })).text).toBe(
      '{"result":false}',
    );
    expect((await service.decide("basic/bucket", { bucket: "hidden" })).text).toBe("{}");
    expect((await value("open")).text).toBe('{"result":"v"}');
    for (const bucket of ["flagged", "open"]) {
      expect((await value(bucket)).text).toBe('{"result":"v"}');
    }
    expect((await service.get("/v1/data/nats/kv/flagged")).text).toBe('{"result":{"k":"v"}}');
    // The age stands in the answer where policies are told of it, and nowhere else.
    const stale = { flagged: expect.toSatisfy((ms: number) => ms > 2_000) as unknown };
    expect(await ofFlagged()).toEqual({ buckets: { flagged: 1 }, stale_buckets: stale });
    expect(await provenance("basic/allow", {})).toEqual({
      buckets: { flagged: 1, open: 1 },
      stale_buckets: stale,
    });
    expect(await provenance("basic/value", { bucket: "open", key: "k" })).toEqual({
      buckets: { open: 1 },
    });
    for (const bucket of ["admin", "hidden", "flagged"]) {
      const { state: name, age_ms } = await state(bucket);
      expect(name).toBe("stale");
      expect(age_ms).toBeGreaterThan(2_000);
    }

    await nats.start();
    await vi.waitFor(allThere, { timeout: 15_000, interval: 50 });
    await client.close();
  });
});
