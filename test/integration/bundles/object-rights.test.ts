import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type NatsConnection, type ObjectStore } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { revised } from "../../support/pack-bundle.ts";
import { TEAMS } from "./kit.ts";

const SOON = { timeout: 20_000, interval: 20 };
const OBJECT = "authz/teams.tar.gz";

/** What the README says that the user must be allowed to publish to, for an object store. */
const RIGHTS = ((): string[] => {
  const readme = readFileSync("README.md", "utf8");
  const [, list = ""] = /object store `policies` it must publish on (.*?), and/.exec(readme) ?? [];
  return [...list.matchAll(/`(\$[^`]+)`/g)].map(([, right]) => right!);
})();

/** Users named after the right that they lack; `all` has exactly what the README says, `inbox` has no inbox. */
function config(): string {
  const user = (name: string, publish: readonly string[], subscribe = "_INBOX.>"): string =>
    `{ user: "${name}", password: pw, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ["${subscribe}"] } }`;
  const users = [
    "{ user: admin, password: pw }",
    user("all", RIGHTS),
    user("inbox", RIGHTS, "none"),
    ...RIGHTS.map((right) =>
      user(
        right,
        RIGHTS.filter((other) => other !== right),
      ),
    ),
  ];
  return `authorization { users: [${users.join(", ")}] }`;
}

/** So large that the server wants its flow control answered. */
function large(revision: string): Promise<Buffer> {
  const noise = randomBytes(6e6).toString("base64");
  return revised(TEAMS, revision, { "teams/noise/data.json": JSON.stringify({ noise }) });
}

let server: NatsServer;
let admin: NatsConnection;
let store: ObjectStore;
beforeAll(async () => {
  server = await startNatsServer({ config: config() });
  admin = await connect({
    servers: server.url,
    user: "admin",
    pass: "pw",
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  store = await admin.jetstream().views.os("policies");
  await put(await large("large-1"));
});
afterAll(async () => {
  await admin.close();
  await server.stop();
});

async function put(bytes: Buffer): Promise<void> {
  await store.putBlob({ name: OBJECT }, new Uint8Array(bytes));
}

function bridgeAs(username: string): Promise<Bridge> {
  return createBridge({
    nats: { server_url: server.url, username, password: "pw", reconnect_wait: "50ms" },
    bundles: { teams: { resource: `nats://policies/${OBJECT}` } },
  });
}

describe("a user that reads bundles of an object store", () => {
  it("N83 needs no more than the README says: for a large bundle, for a new one, and after a restart", async () => {
    expect(RIGHTS).toHaveLength(3);
    await using bridge = await bridgeAs("all");
    const active = (): string | undefined => bridge.status().bundles["teams"]?.active_revision;
    expect(active()).toBe("large-1");
    await put(await revised(TEAMS, "teams-2"));
    await vi.waitFor(() => expect(active()).toBe("teams-2"), SOON);
    expect(bridge.status().nats).not.toHaveProperty("lastError");
    await server.restart();
    await vi.waitFor(() => expect(bridge.health().nats).toBe("connected"), SOON);
    const next = await large("large-3");
    await vi.waitFor(() => put(next), SOON);
    await vi.waitFor(() => expect(active()).toBe("large-3"), SOON);
    expect(bridge.status().nats).not.toHaveProperty("lastError");
    expect(bridge.status().bundles["teams"]).not.toHaveProperty("code");
    expect(await bridge.decide("teams/authz/allow", { user: "alice" })).toEqual({ result: true });
  });

  it.each(RIGHTS)("N83 is told that it lacks %s", async (right) => {
    await put(await large("large-4"));
    await expect(bridgeAs(right)).rejects.toMatchObject({
      code: "BUNDLE_DOWNLOAD",
      message: expect.stringContaining(
        `of the NATS object store "policies" can't be had (publish on "${right}" is not permitted); grant it to the NATS user (README, "Permissions").`,
      ) as string,
    });
  });

  it("N83 is told that it lacks an inbox", async () => {
    await expect(bridgeAs("inbox")).rejects.toMatchObject({
      code: "BUNDLE_DOWNLOAD",
      message: expect.stringMatching(
        /\(subscription on "_INBOX\.[^"]*" is not permitted\); grant it to the NATS user/,
      ) as string,
    });
  });

  it("N83 that has lost a right goes on with the bundle it has, and its status names the right", async () => {
    await put(await revised(TEAMS, "teams-5"));
    await using bridge = await bridgeAs("all");
    const [, right] = RIGHTS;
    // From now on that user's rights are those of the one without.
    const renamed = config().replace('user: "all"', "user: nobody");
    await server.writeConfig(renamed.replace(`user: "${right}"`, 'user: "all"'));
    await server.restart();
    await vi.waitFor(() => put(Buffer.from("new")), SOON);
    await vi.waitFor(() => {
      expect(bridge.status().bundles["teams"]).toMatchObject({
        active_revision: "teams-5",
        message: expect.stringContaining(`publish on "${right}" is not permitted`) as string,
      });
    }, SOON);
    expect(await bridge.decide("teams/authz/allow", { user: "alice" })).toEqual({ result: true });
  });
});
