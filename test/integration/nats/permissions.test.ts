import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { expectCurrent, expectProved, statusOf } from "../watch/currency-kit.ts";
import { type Watching, watchServer } from "../watch/support.ts";
import { type Author, author, follow, numbered } from "./bucket-kit.ts";
import { connectedLink, type TestLink } from "./link-kit.ts";

/** What the README says that the user must be allowed to publish to, for a bucket. */
function rightsTo(bucket: string): string[] {
  const [, list = ""] = /publish = \[([^\]]*)\]/.exec(readFileSync("README.md", "utf8")) ?? [];
  return [...list.matchAll(/"(.+)"/g)].map(([, right]) =>
    right!.replace("KV_team-a", `KV_${bucket}`),
  );
}

const RIGHTS = rightsTo("B");
/** What only loads and audits use; the right to answer flow control is used all the time. */
const ASKED = rightsTo("audited").slice(0, 2);
const KEYS = 20_000;

/**
 * Users named after the right that they lack; `all` and `audited` have exactly what the README says, `subscribe` no
 * inbox.
 */
function configOf(audited = rightsTo("audited")): string {
  const user = (name: string, publish: readonly string[], subscribe: string): string =>
    `{ user: "${name}", password: pw, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ["${subscribe}"] } }`;
  const users = [
    `{ user: admin, password: pw }`,
    user("all", RIGHTS, "_INBOX.>"),
    user("audited", audited, "_INBOX.>"),
    user("subscribe", RIGHTS, "none"),
    ...RIGHTS.map((right) =>
      user(
        right,
        RIGHTS.filter((other) => other !== right),
        "_INBOX.>",
      ),
    ),
  ];
  return `authorization { users: [${users.join(", ")}] }`;
}

let server: NatsServer;
let admin: Author;
beforeAll(async () => {
  server = await startNatsServer({ config: configOf() });
  admin = await author(server.url, { user: "admin", pass: "pw" });
  await admin.create("B");
  await admin.putAll("B", numbered(KEYS));
  await admin.create("small");
  await admin.create("audited");
  await admin.putAll("audited", numbered(50));
});
afterAll(async () => {
  await admin[Symbol.asyncDispose]();
  await server.stop();
});

function as(username: string): Promise<TestLink> {
  return connectedLink(server.url, { auth: { mode: "userpass", username, password: "pw" } });
}

function watchAudited(): Promise<Watching> {
  const auth = { mode: "userpass", username: "audited", password: "pw" } as const;
  return watchServer(server.url, { refreshIntervalMs: 200 }, auth);
}

/** Takes a key away without a marker. */
async function vanish(key: string): Promise<void> {
  await admin.manager.streams.purge("KV_audited", { filter: `$KV.audited.${key}` });
}

describe("a user", () => {
  test("N83 with the least rights loads a large bucket, follows it, and survives a gap", async () => {
    await using link = await as("all");
    const sink = follow(link, "B");
    await sink.loading.promise;
    expect(sink.snapshot!.size).toBe(KEYS);
    await admin.putAll("B", [["live", "1"]]);
    await vi.waitFor(() => expect(sink.map.get("live")).toBe("1"), 5_000);
    await server.restart();
    await sink.ending.promise;
    const next = follow(link, "B");
    await next.loading.promise;
    expect(next.snapshot!.size).toBe(KEYS + 1);
    next.run.stop();
    expect(link.status().lastError).toBeUndefined();
  });

  test("N83 C4 with the least rights proves that its copy is right, by a listing too, and repairs it", async () => {
    await using watching = await watchAudited();
    await watching.manager.getOrCreateWatcher("audited");
    await admin.putAll("audited", [["live", "1"]]);
    await expectCurrent(watching, admin, "audited");
    await expectProved(watching, "audited");
    await vanish("key.0");
    await expectCurrent(watching, admin, "audited");
    await expectProved(watching, "audited");
    await server.restart();
    await vi.waitFor(
      () => {
        expect(statusOf(watching, "audited").repairs).toEqual({ vanished: 1, reconnect: 1 });
      },
      { timeout: 10_000 },
    );
    await expectProved(watching, "audited");
    expect(statusOf(watching, "audited")).not.toHaveProperty("doubt");
  });

  test.each(ASKED)("N83 C4 that has lost %s goes on, and its status says so", async (right) => {
    await using watching = await watchAudited();
    await watching.manager.getOrCreateWatcher("audited");
    await expectProved(watching, "audited");
    await server.writeConfig(configOf(rightsTo("audited").filter((other) => other !== right)));
    await server.reload();
    // For that the numbers don't suffice.
    const gone = right.includes("STREAM.INFO") ? "key.1" : "key.2";
    await vanish(gone);
    await vi.waitFor(
      () => {
        expect(statusOf(watching, "audited").doubt).toBe(
          `The NATS user may not read bucket "audited": publish on "${right}" is not permitted; grant it (README, "Permissions").`,
        );
      },
      { timeout: 10_000 },
    );
    await admin.putAll("audited", [["live", `"${right}"`]]);
    await vi.waitFor(() => {
      expect(watching.store.bucket("audited")?.entry("live")?.text).toBe(`"${right}"`);
    }, 5_000);
    expect(statusOf(watching, "audited")).toMatchObject({ state: "live", reloads: 0 });
    expect(watching.store.bucket("audited")?.entry(gone)).toBeDefined();

    await server.writeConfig(configOf());
    await server.reload();
    await expectCurrent(watching, admin, "audited");
    await expectProved(watching, "audited");
    expect(statusOf(watching, "audited")).not.toHaveProperty("doubt");
  });

  test.each(RIGHTS.slice(0, 2))("N83 without %s is told so", async (right) => {
    await using link = await as(right);
    const sink = follow(link, "B");
    expect(await sink.ending.promise).toMatchObject({
      code: "BUCKET_FORBIDDEN",
      message: `The NATS user may not read bucket "B": publish on "${right}" is not permitted; grant it (README, "Permissions").`,
    });
    await vi.waitFor(() => expect(link.status().lastError ?? "").toContain(right), 5_000);
  });

  test("N83 without an inbox is told so", async () => {
    await using link = await as("subscribe");
    const sink = follow(link, "B");
    expect(await sink.ending.promise).toMatchObject({
      code: "BUCKET_FORBIDDEN",
      message: expect.stringMatching(/subscription on "_INBOX\..*" is not permitted/),
    });
  });

  test("N83 of another bucket is told so", async () => {
    await using link = await as("all");
    const sink = follow(link, "small");
    expect(await sink.ending.promise).toMatchObject({ code: "BUCKET_FORBIDDEN" });
  });

  test("N83 without $JS.FC.> is told so, where the server would just stop delivering", async () => {
    await using link = await as("$JS.FC.>");
    const begin = performance.now();
    const sink = follow(link, "B");
    expect(await sink.ending.promise).toMatchObject({
      code: "BUCKET_FORBIDDEN",
      message:
        'The NATS user may not follow bucket "B": publish on "$JS.FC.>" is not permitted, and without it the server stops delivering; grant it (README, "Permissions").',
    });
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(sink.calls).not.toContain("loaded");
    expect(link.status().lastError).toContain("$JS.FC.");
  });
});
