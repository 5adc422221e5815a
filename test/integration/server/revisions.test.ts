import type { KV } from "nats";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { sharedService } from "./fixture.ts";
import { API, type Reply, type Service, startService } from "./service.ts";

const shared = sharedService(API, { buckets: { team: { "members.alice": "{}" } } });
let service: Service;
let team: KV;
beforeAll(async () => {
  ({ service } = shared);
  team = await shared.client.jetstream().views.kv("team");
  await service.bridge.manager.getOrCreateWatcher("team");
});

describe("C6 revisions", () => {
  const provenance = async (path: string, input: unknown): Promise<Record<string, number>> => {
    const { body } = await service.post(`/v1/data/${path}?provenance`, JSON.stringify({ input }));
    return (body as { provenance: { buckets: Record<string, number> } }).provenance.buckets;
  };
  it("are those of the buckets that the decision used", async () => {
    const revision = (await team.status()).streamInfo.state.last_seq;
    expect(await provenance("api/member", { user: "alice" })).toEqual({ team: revision });
    expect(await provenance("nats/kv/team/members", {})).toEqual({ team: revision });
    expect(await provenance("nats/kv/none", {})).toEqual({});
    const { body } = await service.get("/v1/data/api/member?provenance");
    expect(body).toMatchObject({
      provenance: {
        version: expect.stringMatching(/^\d+\.\d+/) as string,
        bundles: { bundle: { revision: "api-1" } },
      },
    });
  });

  it("may be demanded: a request sees what its caller has written", async () => {
    for (let round = 0; round < 50; round++) {
      const revision = await team.put("members.carol", String(round));
      const byParameter = round % 2 === 0;
      const parameter = byParameter ? `?min_revision=team:${revision}` : "";
      const reply = await service.post(
        `/v1/data/api/member${parameter}`,
        JSON.stringify({
          input: { user: "carol" },
          ...(!byParameter && { min_revision: { team: revision } }),
        }),
      );
      expect([reply.status, reply.body]).toEqual([200, { result: round }]);
    }
  });

  it("that have come without a change of any value count as reached", async () => {
    await team.put("members.dave", '"same"');
    const revision = await team.put("members.dave", '"same"');
    const reply = await service.get(
      `/v1/data/nats/kv/team/members/dave?min_revision=team:${revision}`,
    );
    expect([reply.status, reply.body]).toEqual([200, { result: "same" }]);
  });

  it("that are not reached in time are a conflict that names the one reached", async () => {
    const revision = await team.put("members.erin", "1");
    await service.get(`/v1/data/api/allow?min_revision=team:${revision}`);
    const reply = await service.get(
      `/v1/data/api/allow?min_revision=team:${revision + 1}&min_revision_timeout=30ms`,
    );
    expect([reply.status, reply.body]).toMatchObject([
      409,
      {
        code: "resource_conflict",
        errors: [{ code: "REVISION_NOT_REACHED" }],
        revisions: { team: revision },
      },
    ]);
    const absent = await service.get(
      "/v1/data/api/allow?min_revision=nowhere:1&min_revision_timeout=1s",
    );
    expect([absent.status, absent.body]).toMatchObject([
      409,
      {
        message: expect.stringMatching(/"nowhere" is not watched \(BUCKET_NOT_FOUND\)/) as string,
        revisions: {},
      },
    ]);
  });

  it("start the watch of a bucket, and keep it while the request waits", async () => {
    const other = await shared.client.jetstream().views.kv("other");
    const revision = await other.put("key", "1");
    const reply = await service.get(`/v1/data/nats/kv/other?min_revision=other:${revision}`);
    expect(reply.body).toEqual({ result: { key: 1 } });
    const pins = service.bridge.status().watch.buckets.map(({ pins }) => pins);
    expect(pins).toEqual([0, 0]);
  });

  it("are waited for once for a whole batch, which is a conflict when they are not reached", async () => {
    const revision = await team.put("members.frank", "1");
    const inputs = Object.fromEntries(
      Array.from({ length: 100 }, (_, id) => [id, { user: "frank" }]),
    );
    const batch = (least: number, timeout: string): Promise<Reply> =>
      service.post(
        `/v1/batch/data/api/member?min_revision_timeout=${timeout}`,
        JSON.stringify({ inputs, min_revision: { team: least } }),
      );
    const { status, body } = await batch(revision, "10s");
    expect([status, body]).toMatchObject([
      200,
      { responses: { 0: { result: 1 }, 99: { result: 1 } } },
    ]);
    const started = performance.now();
    const late = await batch(revision + 1, "300ms");
    expect([late.status, late.body]).toMatchObject([
      409,
      { code: "resource_conflict", revisions: { team: revision } },
    ]);
    // Seven times sixteen inputs, had each of them waited.
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it.each([
    "?min_revision=team",
    "?min_revision=team:x",
    "?min_revision=:1",
    "?min_revision=team:-1",
    "?min_revision=team:1.5",
    "?min_revision=team:99999999999999999999",
    "?min_revision=",
    "?min_revision=team:1&min_revision_timeout=soon",
    "?min_revision=team:1&min_revision_timeout=-1s",
    `?${Array.from({ length: 17 }, (_, index) => `min_revision=b${index}:1`).join("&")}`,
  ])("that can't be understood are refused: %.60s", async (query) => {
    const reply = await service.get(`/v1/data/api/allow${query}`);
    expect([reply.status, reply.body]).toMatchObject([400, { code: "invalid_parameter" }]);
  });
});

describe("C6 the revision of a message that the server never delivers, because its key was written again", () => {
  const BUCKET = "skipped";
  const value = JSON.stringify("x".repeat(1_000_000));

  it("counts as reached only once what has taken its place is there", async () => {
    const { nats, client } = shared;
    await shared.put(BUCKET, { grant: "1" });
    const kv = await client.jetstream().views.kv(BUCKET);
    const admin = await client.jetstreamManager();
    await using proxy = await startTcpProxy(nats.port);
    await using late = await startService(API, { server_url: proxy.url, query_timeout: "60s" });
    const { bridge } = late;
    await bridge.manager.getOrCreateWatcher(BUCKET);

    // Without an answer to its flow control the server keeps back what is more than 32 MB.
    proxy.fromClients.shut();
    for (let index = 0; index < 40; index++) await kv.put(`filler.${index}`, value);
    await vi.waitFor(async () => {
      const consumers = await admin.consumers.list(`KV_${BUCKET}`).next();
      expect(consumers.map(({ num_pending }) => num_pending > 0)).toEqual([true]);
    }, 10_000);
    await kv.delete("grant");
    const { last_seq: revoked } = (await admin.streams.info(`KV_${BUCKET}`)).state;
    await kv.put("other", "1");
    for (let index = 0; index < 4; index++) await kv.put(`behind.${index}`, value);
    await kv.delete("grant");
    await expect(admin.streams.getMessage(`KV_${BUCKET}`, { seq: revoked })).rejects.toThrow(
      "no message found",
    );

    const beyond: { readonly granted: boolean; readonly whole: number | undefined }[] = [];
    const stopListening = bridge.store.onCommit(() => {
      const copy = bridge.store.bucket(BUCKET)!;
      if (copy.revision < revoked) return;
      const whole = bridge.manager.watcher(BUCKET)?.wholeRevision;
      beyond.push({ granted: copy.entry("grant") !== undefined, whole });
    });
    const asked = late.get(`/v1/data/nats/kv/${BUCKET}/grant?min_revision=${BUCKET}:${revoked}`);
    proxy.fromClients.open();
    const reply = await asked;
    expect([reply.status, reply.body]).toEqual([200, {}]);
    stopListening();
    // The copy has been beyond that revision with the grant still there.
    const early = beyond.filter(({ granted }) => granted);
    expect(early.length).toBeGreaterThan(0);
    expect(early.filter(({ whole }) => whole === undefined || whole >= revoked)).toEqual([]);
  });
});
