import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { BridgeError } from "../../../src/errors.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bridge-config-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function load(content: string | Uint8Array, env: Record<string, string> = {}) {
  const file = join(folder, "config.yaml");
  await writeFile(file, content);
  return loadConfig(file, { env });
}

async function refusal(content: string | Uint8Array, env?: Record<string, string>) {
  const error: unknown = await load(content, env).catch((thrown: unknown) => thrown);
  if (!(error instanceof BridgeError)) throw new Error("the configuration was not refused");
  return error;
}

const GO_PLUGIN_EXAMPLE = `plugins:
  nats:
    server_url: "nats://localhost:4222"
    ttl: "10m"
    refresh_interval: "30s"
    max_reconnect_attempts: 10
    reconnect_wait: "2s"
    max_bucket_watchers: 1
    root_bucket: "permit-groups-default"
services:
  authz:
    url: http://0.0.0.0:8181
`;

describe("loadConfig", () => {
  test("N23 the Go plugin's example is accepted as it is", async () => {
    expect(await load(GO_PLUGIN_EXAMPLE)).toMatchObject({
      nats: {
        servers: ["nats://localhost:4222"],
        maxReconnectAttempts: 10,
        reconnectWaitMs: 2_000,
      },
      watch: {
        ttlMs: 600_000,
        refreshIntervalMs: 30_000,
        maxBucketWatchers: 1,
        rootBucket: "permit-groups-default",
      },
      services: { authz: { url: "http://0.0.0.0:8181" } },
      warnings: [],
    });
  });

  test("reads JSON, with tabs and a byte order mark too", async () => {
    const json = JSON.stringify({ labels: { a: "\u{1f600}/é" }, nats: { ttl: "1m" } }, null, "\t");
    const { labels, watch } = await load(`\ufeff${json.replace("/", String.raw`\/`)}`);
    expect(labels).toEqual({ a: "\u{1f600}/é" });
    expect(watch.ttlMs).toBe(60_000);
  });

  test("an empty file is a configuration of defaults", async () => {
    expect((await load("# nothing\n")).nats.servers).toEqual(["nats://localhost:4222"]);
  });

  test("YAML anchors and merge keys work", async () => {
    const { labels } = await load("labels: &l {a: x}\ncaching: {<<: *l}\n");
    expect(labels).toEqual({ a: "x" });
  });

  test("relative paths start at the file's folder", async () => {
    const { nats, bundles } = await load(
      "plugins: {nats: {credentials: c.creds, tls_ca_cert: /ca.pem}}\nbundles: {a: {file: ./b.tar.gz}}",
    );
    expect(nats.auth).toEqual({ mode: "creds", file: join(folder, "c.creds") });
    expect(nats.tls?.caFile).toBe("/ca.pem");
    expect(bundles).toMatchObject([
      { name: "a", source: { type: "file", path: join(folder, "b.tar.gz") } },
    ]);
  });

  test("variables of the environment are substituted; an unset one is a warning", async () => {
    const config = await load('plugins: {nats: {name: "${NAME}", ttl: "1${UNIT}m"}}', {
      NAME: "pdp",
    });
    expect(config.nats.name).toBe("pdp");
    expect(config.watch.ttlMs).toBe(60_000);
    expect(config.warnings).toEqual([
      "The environment variable UNIT is not set; ${UNIT} was replaced by nothing.",
    ]);
  });

  test.each(["token: ${T}", 'token: "${T}"', "credentials: ${T}"])(
    "N31 an unset variable never means: without authentication (%s)",
    async (line) => {
      const { code, message } = await refusal(`nats:\n  ${line}\n`);
      expect(code).toBe("CONFIG_INVALID");
      expect(message).toContain("is empty (an environment variable that is not set?)");
    },
  );

  test("an invalid file is named, with the number of problems", async () => {
    const one = await refusal("nats: {ttl: 10}");
    expect(one.message.split("\n")[0]).toBe(
      `The configuration file "${join(folder, "config.yaml")}" has a problem:`,
    );
    const two = await refusal("nats: {ttl: 10}\nfoo: 1");
    expect(two.message.split("\n")[0]).toContain("has 2 problems:");
  });

  test("a file that isn't there is named, with the reason", async () => {
    await expect(loadConfig(join(folder, "none.yaml"))).rejects.toMatchObject({
      code: "CONFIG_UNREADABLE",
      message: `The configuration file "${join(folder, "none.yaml")}" can't be read (ENOENT); check the path and its permissions.`,
    });
    await expect(loadConfig(folder)).rejects.toThrow(/EISDIR/);
  });

  test.each([
    ["a: 1\na: 2\n", "line 2, column 1: the key is given twice in one map; keep one"],
    ['{"a": 1,\n "a": 2}', "line 2, column 2: the key is given twice in one map; keep one"],
    ["a: 1\n---\nb: 1\n", "line 2, column 1: a second document starts; keep one"],
    ['nats:\n  ttl: "10m\n', "line 3, column 1: Missing closing"],
    ["nats:\n\tttl: 10m\n", "line 2, column 1: Tabs are not allowed as indentation"],
    ["a: !custom x\n", "line 1, column 4: Unresolved tag."],
  ])("a syntax error has its place: %j", async (content, reason) => {
    const { code, message } = await refusal(content);
    expect(code).toBe("CONFIG_UNREADABLE");
    expect(message).toContain(reason);
  });

  test.each([
    'password: "s3cret" s3cret\n',
    "password: *s3cret\n",
    "password: !s3cret x\n",
    "password: |s3cret\n",
    'password: "\\s3cret"\n',
    "password: [s3cret\n",
    "password: @s3cret\n",
    "{password: s3cret: s3cret}}\n",
    "- s3cret\npassword: s3cret\n",
  ])("a syntax error shows no secret: %j", async (content) => {
    const error = await refusal(content);
    expect(error.code).toBe("CONFIG_UNREADABLE");
    expect(error.message).not.toContain("s3cret");
    expect(error.cause).toBeUndefined();
  });

  test("a bomb of aliases is refused", async () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]`);
    const { code, message } = await refusal(lines.join("\n"));
    expect(code).toBe("CONFIG_UNREADABLE");
    expect(message).toContain("aliases");
  });

  test("what isn't UTF-8 is refused", async () => {
    const { code, message } = await refusal(Uint8Array.of(0xff, 0xfe, 0x61, 0x00));
    expect(code).toBe("CONFIG_UNREADABLE");
    expect(message).toContain("is not UTF-8 text");
  });
});
