import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import {
  type NatsServer,
  serverVersionAtLeast,
  startNatsServer,
} from "../../support/nats-server.ts";

const GROUPS = ["group-a", "group-b"];
const USERS = Array.from({ length: 40 }, (_, index) => `user-${index}`);
const ROLES = ["admin", "member", "viewer"];
const PERMISSIONS = ["read", "write", "pay"];
const LOAD_MS = 2_000;

/** Every key that may be there. */
const KEYS = [
  "metadata",
  ...USERS.map((user) => `members.${user}`),
  ...USERS.map((user) => `users.${user}`),
  ...ROLES.map((role) => `roles.${role}`),
  ...[...PERMISSIONS, "audit"].map((permission) => `permissions.${permission}`),
];

type Facts = ReadonlyMap<string, unknown>;

let server: NatsServer;
let connection: NatsConnection;
let bridge: Bridge;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  for (const bucket of [...GROUPS, "root"]) await connection.jetstream().views.kv(bucket);
  bridge = await createBridge({
    nats: { server_url: server.url, root_bucket: "root" },
    bundle: { file: "examples/groups/bundle.tar.gz" },
  });
});

afterAll(async () => {
  await bridge?.close();
  await connection?.close();
  await server?.stop();
});

async function bucket(name: string): Promise<KV> {
  return connection.jetstream().views.kv(name, { bindOnly: true });
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** Changes a group at full speed until told to stop: puts, deletions, purges, and keys that come back. */
async function write(name: string, until: number): Promise<number> {
  const kv = await bucket(name);
  let writes = 0;
  for (; performance.now() < until; writes++) {
    const user = `members.${pick(USERS)}`;
    const permission = `permissions.${pick(PERMISSIONS)}`;
    const roles = ROLES.filter(() => Math.random() < 0.5);
    const effect = Math.random() < 0.9 ? "allow" : "deny";
    const value = JSON.stringify({ resource: "invoice", action: pick(PERMISSIONS), roles, effect });
    await pick([
      () => kv.put(user, JSON.stringify({ role: pick(ROLES) })),
      () => kv.put(user, JSON.stringify({ role: pick(ROLES) })),
      () => kv.delete(user),
      // Servers before 2.10 skip other keys' messages when one key is purged (nats-server #3838).
      () => (serverVersionAtLeast(server, "2.10.0") ? kv.purge(user) : kv.delete(user)),
      () => kv.put(permission, value),
      () => kv.delete(permission),
      () => kv.put("metadata", JSON.stringify({ active: Math.random() < 0.9 })),
    ])();
  }
  await kv.put("metadata", '{"active":true}');
  // Something that is allowed for certain, so that "no" everywhere can't pass.
  const audit = { resource: "invoice", action: "audit", roles: ROLES, effect: "allow" };
  await kv.put("permissions.audit", JSON.stringify(audit));
  return writes;
}

/** What NATS says now, read key by key without the bridge. */
async function factsOf(name: string): Promise<Facts> {
  const kv = await bucket(name);
  const facts = new Map<string, unknown>();
  // Not kv.keys(), which leaves keys out when the bucket's last entry is a deletion.
  for (const key of KEYS) {
    const entry = await kv.get(key);
    if (entry?.operation === "PUT") facts.set(key, entry.json());
  }
  return facts;
}

/** The example's policy once more, in plain words. */
function allowed(facts: Facts, root: Facts, user: string, action: string): boolean {
  const { suspended } = (root.get(`users.${user}`) ?? {}) as { suspended?: boolean };
  const { active } = (facts.get("metadata") ?? {}) as { active?: boolean };
  const { role } = (facts.get(`members.${user}`) ?? {}) as { role?: string };
  if (suspended === true || active !== true || role === undefined) return false;
  const inherited = (root.get(`roles.${role}`) ?? {}) as { inherits?: string[] };
  const roles = [role, ...(inherited.inherits ?? [])];
  const effects = new Set<string>();
  for (const [key, value] of facts) {
    if (!key.startsWith("permissions.")) continue;
    const permission = value as { action: string; roles: string[]; effect: string };
    const mine = permission.roles.some((one) => roles.includes(one));
    if (permission.action === action && mine) effects.add(permission.effect);
  }
  return effects.size === 1 && effects.has("allow");
}

describe("Bridge", () => {
  it("C1 two buckets under write load: every decision afterwards is what NATS says", async () => {
    const root = await bucket("root");
    await root.put("roles.admin", '{"inherits":["member"]}');
    await root.put("roles.member", '{"inherits":["viewer"]}');
    await root.put("users.user-3", '{"suspended":true}');
    const until = performance.now() + LOAD_MS;
    const writers = Promise.all(GROUPS.flatMap((name) => [write(name, until), write(name, until)]));

    // The buckets are first asked for in the middle of the load.
    let asked = 0;
    while (performance.now() < until) {
      const input = { user: pick(USERS), group: pick(GROUPS), resource: "invoice", action: "read" };
      const { result } = await bridge.decide("authz/allow", input);
      expect(typeof result).toBe("boolean");
      asked++;
      // Decisions on what is in memory never leave the microtask queue; the writers need the event loop too.
      await nextTurn();
    }
    const writes = await writers;
    expect(Math.min(...writes)).toBeGreaterThan(100);
    expect(asked).toBeGreaterThan(100);

    const rootFacts = await factsOf("root");
    let yes = 0;
    for (const group of GROUPS) {
      const { state } = await (await bucket(group)).status().then(({ streamInfo }) => streamInfo);
      await vi.waitFor(() => expect(bridge.store.bucket(group)!.revision).toBe(state.last_seq), {
        timeout: 10_000,
      });
      const facts = await factsOf(group);
      for (const user of USERS) {
        for (const action of [...PERMISSIONS, "audit"]) {
          const input = { user, group, resource: "invoice", action };
          const { result } = await bridge.decide("authz/allow", input);
          const expected = allowed(facts, rootFacts, user, action);
          expect({ ...input, result }).toEqual({ ...input, result: expected });
          if (expected) yes++;
        }
      }
      expect(bridge.manager.watcher(group)?.status()).toMatchObject({ state: "live", reloads: 0 });
    }
    expect(yes).toBeGreaterThan(0);
  });
});
