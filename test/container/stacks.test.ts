import { getContainerRuntimeClient } from "testcontainers";
import { describe, expect, it, vi } from "vitest";
import { answers, ask, bringUp, composeAvailable, EVENTUALLY } from "./stack.ts";

const PAYMENTS = "550e8400-e29b-41d4-a716-446655440000";

describe.runIf(await composeAvailable())("the compose files", { timeout: 600_000 }, () => {
  it("of the quick start: a service that decides by the example data", async () => {
    await using stack = await bringUp(".", ["BRIDGE_PORT"]);
    const bridge = stack.url("BRIDGE_PORT");
    await answers(`${bridge}/health?plugins`);
    const question = { group: PAYMENTS, action: "pay", resource: "invoice" };
    expect(await ask(bridge, "authz/allow", { ...question, user: "alice" })).toBe(true);
    expect(await ask(bridge, "authz/allow", { ...question, user: "bob" })).toBe(false);
  });

  it("of the migration: the plugin's configuration and policy, as they are", async () => {
    await using stack = await bringUp("examples/opa-nats-migration", ["BRIDGE_PORT"]);
    const bridge = stack.url("BRIDGE_PORT");
    await answers(`${bridge}/health?plugins`);
    const alice = { group: PAYMENTS, user: "alice" };
    // From NATS at first, and then from memory: the answers are the same.
    await vi.waitFor(async () => {
      expect(await ask(bridge, "members/may_enter", alice)).toBe(true);
      expect(await ask(bridge, "members/watched", alice)).toBe(true);
    }, EVENTUALLY);
    expect(await ask(bridge, "members/may_enter", alice)).toBe(true);
    expect(await ask(bridge, "members/may_enter", { ...alice, user: "eve" })).toBe(false);
    expect(await ask(bridge, "members", { ...alice, user: "bob" })).toEqual({
      list: {
        alice: { role: "admin", since: "2026-01-31" },
        bob: { role: "viewer", since: "2026-02-14" },
      },
      may_enter: true,
      watched: true,
    });
  });

  it("of the embedding application: requests are let through by the policy, or not at all", async () => {
    await using stack = await bringUp("examples/embedded", ["APP_PORT"]);
    const app = stack.url("APP_PORT");
    await answers(`${app}/health`);
    const request = async (user: string | undefined, method: "GET" | "POST"): Promise<object> => {
      const path = method === "GET" ? "invoices" : "invoices/1/payment";
      const headers: Record<string, string> = user === undefined ? {} : { "x-user": user };
      const response = await fetch(`${app}/groups/${PAYMENTS}/${path}`, { method, headers });
      return { status: response.status, body: await response.json() };
    };
    const forbidden = (reason: string): object => ({
      status: 403,
      body: { error: "forbidden", reason },
    });
    const paid = { status: 201, body: { paid: "1" } };
    expect(await request("alice", "POST")).toEqual(paid);
    expect(await request("bob", "GET")).toMatchObject({ status: 200 });
    expect(await request("bob", "POST")).toEqual(forbidden("no permission allows it"));
    expect(await request(undefined, "GET")).toEqual(
      forbidden("the user is not a member of the group"),
    );

    await stack.compose("exec", "-T", "app", "node", "--input-type=module", "-e", PROMOTE_BOB);
    await vi.waitFor(async () => expect(await request("bob", "POST")).toEqual(paid), EVENTUALLY);

    // Over its budget the copy is not decided from, and nobody gets in.
    await stack.compose("pause", "nats");
    await vi.waitFor(
      async () =>
        expect(await request("alice", "POST")).toEqual({
          status: 503,
          body: { error: "no decision can be made", code: "BUCKET_UNAVAILABLE" },
        }),
      EVENTUALLY,
    );
    await stack.compose("unpause", "nats");
    await vi.waitFor(async () => expect(await request("alice", "POST")).toEqual(paid), EVENTUALLY);

    const { container } = await getContainerRuntimeClient();
    const process = container.getById((await stack.compose("ps", "-q", "app")).trim());
    // What has not ended after 10 seconds is killed, which gives 137.
    await stack.compose("stop", "--timeout", "10", "app");
    expect((await process.inspect()).State).toMatchObject({ Status: "exited", ExitCode: 0 });
  });
});

const PROMOTE_BOB = `
  import { connect } from "nats";
  const connection = await connect({ servers: process.env.NATS_URL });
  const kv = await connection.jetstream().views.kv("${PAYMENTS}");
  await kv.put("members.bob", '{"role":"admin"}');
  await connection.close();
`;
