import { beforeAll, describe, expect, it, vi } from "vitest";
import { BaseData } from "../../../src/policy/base-data.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { sharedService } from "./fixture.ts";
import { BASIC, GROUPS, startService } from "./service.ts";

const shared = sharedService(BASIC, {
  nats: { root_bucket: "root" },
  buckets: {
    root: { groups: '{"a": 9007199254740993}', "users.bob": '{"roles":["dev","ops"]}' },
    team: {
      "members.alice": '{"since":  12345678901234567890, "tags": [ "x", {"y":1.50} ]}',
      "members.bob": "42",
      nothing: "null",
      "path/with=odd-_keys": "true",
    },
  },
});

describe("numbers", () => {
  it.each(["9007199254740993", "-9007199254740993", "12345678901234567890", "0.1", "1e400"])(
    "come out digit for digit: %s",
    async (number) => {
      const reply = await shared.service.post("/v1/data/basic/echo", `{"input":{"n":${number}}}`);
      expect(reply.text).toBe(`{"result":{"n":${number}}}`);
    },
  );

  it("N46 of NATS values come out digit for digit, from policies and as base documents", async () => {
    expect((await shared.service.get("/v1/data/basic/root")).text).toBe(
      '{"result":{"a":9007199254740993}}',
    );
    expect((await shared.service.get("/v1/data/groups/a")).text).toBe(
      '{"result":9007199254740993}',
    );
    const key = { bucket: "team", key: "members.alice.since" };
    expect((await shared.service.decide("basic/value", key)).text).toBe(
      '{"result":12345678901234567890}',
    );
  });
});

describe("base documents", () => {
  beforeAll(async () => {
    await shared.service.bridge.manager.getOrCreateWatcher("team");
  });

  it("S5 are exactly what is stored", async () => {
    const alice = await shared.service.get("/v1/data/nats/kv/team/members/alice");
    expect(alice.text).toBe(
      '{"result":{"since":  12345678901234567890, "tags": [ "x", {"y":1.50} ]}}',
    );
    expect((await shared.service.get("/v1/data/nats/kv/team/members/bob")).text).toBe(
      '{"result":42}',
    );
    expect((await shared.service.get("/v1/data/nats/kv/team/nothing")).text).toBe(
      '{"result":null}',
    );
  });

  it("are followed into objects and arrays", async () => {
    const path = "/v1/data/nats/kv/team/members/alice/tags";
    expect((await shared.service.get(`${path}/1/y`)).text).toBe('{"result":1.50}');
    expect((await shared.service.get("/v1/data/users/bob/roles/0")).text).toBe('{"result":"dev"}');
    for (const none of ["2", "-1", "01", "x", "length", "0/0"]) {
      expect((await shared.service.get(`${path}/${none}`)).text).toBe("{}");
    }
  });

  it("keep a slash in a key apart from the slashes of the path", async () => {
    const found = await shared.service.get("/v1/data/nats/kv/team/path%2Fwith%3Dodd-_keys");
    expect(found.text).toBe('{"result":true}');
    expect((await shared.service.get("/v1/data/nats/kv/team/path/with=odd-_keys")).text).toBe("{}");
  });

  it("are undefined for a bucket that nobody watches, and for the root bucket's second name", async () => {
    for (const path of [
      "nats/kv/other",
      "nats/kv/root",
      "nats/kv/team/none",
      "nats/none",
      "none",
    ]) {
      const reply = await shared.service.get(`/v1/data/${path}`);
      expect([reply.status, reply.text]).toEqual([200, "{}"]);
    }
  });

  it("are all there at the top", async () => {
    const { body } = await shared.service.get("/v1/data");
    expect(body).toMatchObject({
      result: {
        groups: {},
        users: { bob: { roles: ["dev", "ops"] } },
        nats: { kv: { team: { nothing: null } } },
      },
    });
  });
});

describe("P5 a new bundle", () => {
  it("that can't be used leaves the old one serving; one that can takes over", async () => {
    await using swapped = await startService(BASIC, { server_url: shared.nats.url });
    const { engine } = swapped.bridge;
    const good = await readBundle(GROUPS);
    const noPolicy = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    for (const bad of [
      { ...good, wasm: noPolicy },
      { ...good, wasm: good.wasm!.subarray(0, 1_000) },
      { ...good, data: await BaseData.parse('{"nats":{}}') },
    ]) {
      await expect(engine.activate(bad)).rejects.toMatchObject({ name: "BridgeError" });
      expect((await swapped.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
      expect(engine.policy?.revisions.get("bundle")).toBe("basic-1");
    }
    await engine.activate(good);
    expect((await swapped.decide("authz/allow", {})).text).toBe('{"result":false}');
    expect((await swapped.decide("basic/allow", { user: "alice" })).text).toBe("{}");
  });
});

describe("a bucket that is first asked for and then watched", () => {
  it("N18 N19 P1 P2 gives the same answer unwatched and, a little later, watched", async () => {
    const group = "550e8400-e29b-41d4-a716-446655440000";
    await shared.put("groups-root", {
      "roles.admin": '{"inherits":["member"]}',
      "users.alice": "{}",
    });
    await shared.put(group, {
      metadata: '{"name":"Payments","active":true}',
      "members.alice": '{"role":"admin"}',
      "permissions.pay":
        '{"resource":"invoice","action":"pay","roles":["member"],"effect":"allow"}',
    });
    await using groups = await startService(GROUPS, {
      server_url: shared.nats.url,
      root_bucket: "groups-root",
    });
    const ask = async (): Promise<Record<string, unknown>> => {
      const { status, body } = await groups.decide("authz/decision", {
        user: "alice",
        group,
        resource: "invoice",
        action: "pay",
      });
      expect(status).toBe(200);
      return (body as { result: Record<string, unknown> }).result;
    };
    const { watched, ...first } = await ask();
    expect(watched).toBe(false);
    expect(first).toEqual({
      allow: true,
      reason: "a permission allows it",
      roles: ["admin", "member"],
    });
    const { watched: later, ...second } = await vi.waitFor(
      async () => {
        const decision = await ask();
        expect(decision["watched"]).toBe(true);
        return decision;
      },
      { timeout: 10_000, interval: 5 },
    );
    expect(later).toBe(true);
    expect(second).toEqual(first);
  });
});
