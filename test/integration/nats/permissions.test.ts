import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type Author, author, follow, numbered } from "./bucket-kit.ts";
import { connectedLink, type TestLink } from "./link-kit.ts";

const RIGHTS = ["$JS.API.STREAM.INFO.KV_B", "$JS.API.CONSUMER.CREATE.KV_B", "$JS.FC.>"];
const KEYS = 20_000;

/** Users named after the right that they lack; `all` has exactly what the README says, `subscribe` no inbox. */
function configOf(): string {
  const user = (name: string, publish: readonly string[], subscribe: string): string =>
    `{ user: "${name}", password: pw, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ["${subscribe}"] } }`;
  const users = [
    `{ user: admin, password: pw }`,
    user("all", RIGHTS, "_INBOX.>"),
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
});
afterAll(async () => {
  await admin[Symbol.asyncDispose]();
  await server.stop();
});

function as(username: string): Promise<TestLink> {
  return connectedLink(server.url, { auth: { mode: "userpass", username, password: "pw" } });
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
