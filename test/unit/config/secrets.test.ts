import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { publicConfig } from "../../../src/config/public.ts";
import { readSecrets } from "../../../src/config/secrets.ts";
import { problemsIn } from "./refuse.ts";

const SECRET = "s3cret";

/** Each way to give a secret in place. */
const WITH_SECRET: readonly Record<string, unknown>[] = [
  { token: SECRET },
  { username: "u", password: SECRET },
  { user_jwt: SECRET, user_nkey_seed: SECRET },
  { server_url: `nats://u:${SECRET}@h` },
  { server_url: [`nats://${SECRET}@h`] },
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bridge-secrets-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("secrets are not shown", () => {
  test.each(WITH_SECRET)("R1 by the configuration: %j", (nats) => {
    const config = parseConfig({
      nats,
      services: { s: { url: `http://u:${SECRET}@h/p?t=${SECRET}`, credentials: { t: SECRET } } },
    });
    expect(JSON.stringify(publicConfig(config))).not.toContain(SECRET);
    expect(JSON.stringify(config.nats)).not.toContain(SECRET);
    expect(inspect(config.nats, { depth: 9, showHidden: true })).not.toContain(SECRET);
    expect(config.warnings.join()).not.toContain(SECRET);
  });

  test.each(WITH_SECRET)("by the refusal of something else: %j", (nats) => {
    const lines = problemsIn({ nats: { ...nats, ttl: 1, credentials: "c" } });
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(lines.join()).not.toContain(SECRET);
  });

  test.each<Record<string, unknown>>([
    { token: [SECRET] },
    { password: { a: SECRET } },
    { user_jwt: SECRET, user_nkey_seed: 5 },
    { server_url: `ws://u:${SECRET}@h` },
    { server_url: { url: SECRET } },
    { tokn: SECRET },
    { token: { [SECRET.slice(0, 0)]: SECRET } },
  ])("by the refusal of their own key: %j", (nats) => {
    const lines = problemsIn({ nats });
    expect(lines).not.toEqual([]);
    expect(lines.join()).not.toContain(SECRET);
  });

  test("the public configuration has the keys of the file", () => {
    const config = parseConfig(
      {
        nats: { token: SECRET, server_url: "tls://a", root_bucket: "r", max_bucket_bytes: 1_000 },
        bundle: { file: "/b.tar.gz" },
        services: { s: { url: "https://h/p" } },
        server: { addr: "[::1]:1" },
        labels: { a: "b" },
      },
      { baseDir: "/" },
    );
    expect(publicConfig(config)).toMatchObject({
      labels: { a: "b" },
      default_decision: "/system/main",
      services: { s: { url: "https://h/p" } },
      bundles: { bundle: { file: "/b.tar.gz" } },
      plugins: {
        nats: {
          server_url: ["tls://a:4222"],
          authentication: "token",
          ttl: "10m",
          root_bucket: "r",
          max_bucket_bytes: "1000B",
          max_total_bytes: "2GiB",
        },
      },
      server: { addr: "[::1]:1", shutdown_grace_period: "10s" },
    });
  });
});

describe("readSecrets", () => {
  const authOf = (nats: object) => parseConfig({ nats }, { baseDir: folder }).nats;

  test("answers what was given in place", async () => {
    expect(await readSecrets(authOf({}))).toEqual({ mode: "none" });
    expect(await readSecrets(authOf({ token: "t" }))).toEqual({ mode: "token", token: "t" });
    expect(await readSecrets(authOf({ server_url: "nats://u:p@h" }))).toEqual({
      mode: "userpass",
      username: "u",
      password: "p",
    });
    expect(await readSecrets(authOf({ credentials: "c" }))).toEqual({
      mode: "creds",
      file: join(folder, "c"),
    });
  });

  test("reads files, without the white space around the secret", async () => {
    await writeFile(join(folder, "one"), ` ${SECRET}\n`);
    await writeFile(join(folder, "two"), "seed\r\n");
    expect(await readSecrets(authOf({ token_file: "one" }))).toEqual({
      mode: "token",
      token: SECRET,
    });
    expect(await readSecrets(authOf({ username: "u", password_file: "one" }))).toEqual({
      mode: "userpass",
      username: "u",
      password: SECRET,
    });
    const jwt = { user_jwt_file: "one", user_nkey_seed_file: "two" };
    expect(await readSecrets(authOf(jwt))).toEqual({ mode: "jwt", jwt: SECRET, seed: "seed" });
  });

  test("reads anew at every call", async () => {
    const nats = authOf({ token_file: "rotated" });
    await writeFile(join(folder, "rotated"), "old");
    await readSecrets(nats);
    await writeFile(join(folder, "rotated"), "new");
    expect(await readSecrets(nats)).toEqual({ mode: "token", token: "new" });
  });

  test.each([
    ["missing", undefined, "can't be read (ENOENT); check the path and its permissions"],
    ["empty", " \n", "is empty; write the secret into it"],
    ["binary", Uint8Array.of(0xff, 0xfe), "is not UTF-8 text; save it as UTF-8"],
  ])("N31 a %s file is refused", async (name, content, reason) => {
    if (content !== undefined) await writeFile(join(folder, name), content);
    await expect(readSecrets(authOf({ token_file: name }))).rejects.toMatchObject({
      code: "NATS_CREDENTIALS",
      message: `plugins.nats.token_file: the file "${join(folder, name)}" ${reason}.`,
    });
  });
});
