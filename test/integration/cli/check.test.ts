import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { build, run, scratch } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));

/** Reads team-a, but can't answer flow control; reads team-b; may know nothing of the others. */
const USERS = `authorization {
  users = [
    { user: admin, password: admin }
    { user: bridge, password: pw, permissions {
      publish = ["$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.CREATE.KV_team-a", "$JS.API.CONSUMER.CREATE.KV_team-b", "$JS.FC.KV_team-b.>", "$KV.team-b.>"]
      subscribe = ["_INBOX.>"]
    } }
  ]
}`;

let nats: NatsServer;

beforeAll(async () => {
  await build();
  nats = await startNatsServer({ config: USERS });
  const client = await connect({ servers: nats.url, user: "admin", pass: "admin" });
  const { views } = client.jetstream();
  for (const name of ["team-a", "team-b", "schema"]) await (await views.kv(name)).put("k", "1");
  await (await views.kv("team-b")).delete("gone");
  await client.close();
}, 120_000);

afterAll(() => nats[Symbol.asyncDispose]());

interface Report {
  ok: boolean;
  findings: { what: string; name: string; verdict: string; code?: string; detail: string }[];
}

async function check(
  config: object,
  args: readonly string[] = [],
): Promise<{ code: number | null; report: Report; stderr: string; verdicts: string[] }> {
  await using dir = await scratch();
  const file = join(dir.path, "config.json");
  await writeFile(file, JSON.stringify(config));
  const { code, stdout, stderr } = await run(["check", "-c", file, "--json", ...args]).exit;
  const report = JSON.parse(stdout) as Report;
  const verdicts = report.findings.map(({ what, name, verdict, code = "" }) =>
    `${what === "bucket" || what === "writes" ? `${what} ${name}` : what} ${verdict} ${code}`.trim(),
  );
  return { code, report, stderr, verdicts };
}

const user = { username: "bridge", password: "pw" };
const bundles = { main: { file: BASIC } };

describe("check", () => {
  it("finds nothing wrong where nothing is, writing included, and writes nothing", async () => {
    const plugins = { nats: { ...user, server_url: nats.url, buckets: { allow: ["team-b"] } } };
    const { code, report, verdicts } = await check({ plugins, bundles, writes: { enabled: true } });
    expect(verdicts).toEqual([
      "configuration ok",
      "connection ok",
      "bundle ok",
      "bucket team-b ok",
      "writes team-b ok",
    ]);
    expect([code, report.ok]).toEqual([0, true]);
    // Two messages, of which one is a marker: so nothing has come to them.
    expect(report.findings[3]!.detail).toMatch(/^1 keys, \d+ bytes in NATS, revision 2, 1 values/);
  });

  it("tells each thing that is wrong, with its remedy, and goes on to the next", async () => {
    const plugins = {
      nats: {
        ...user,
        server_url: nats.url,
        root_bucket: "schema",
        buckets: { allow: ["team-*", "schema", "missing"] },
      },
    };
    const { code, report, verdicts } = await check(
      { plugins, bundles: { main: { file: "no.tar.gz" } } },
      ["--bucket", "team-a", "--bucket", "other", "--bucket", "team b"],
    );
    expect(verdicts).toEqual([
      "configuration ok",
      "connection ok",
      "bundle failed BUNDLE_UNREADABLE",
      "bucket schema failed BUCKET_FORBIDDEN",
      "bucket missing failed BUCKET_NOT_FOUND",
      "bucket team-a failed BUCKET_FORBIDDEN",
      "bucket other failed BUCKET_NOT_ALLOWED",
      "bucket team b failed BUCKET_NAME",
    ]);
    expect([code, report.ok]).toEqual([1, false]);
    const details = report.findings.map(({ detail }) => detail);
    expect(details[3]).toMatch(/CONSUMER\.CREATE.*is not permitted; grant it/);
    expect(details[4]).toMatch(/create it with: nats kv add missing/);
    expect(details[5]).toMatch(/publish on "\$JS\.FC\.>" is not permitted/);
  });

  it("skips what needs a connection when there is none", async () => {
    const plugins = {
      nats: { server_url: nats.url, username: "bridge", password: "s3cret", root_bucket: "schema" },
    };
    const { code, report, stderr, verdicts } = await check({ plugins, bundles });
    expect(verdicts).toEqual([
      "configuration ok",
      "connection failed NATS_AUTH",
      "bundle ok",
      "bucket schema skipped",
    ]);
    expect(code).toBe(1);
    expect(JSON.stringify(report) + stderr).not.toContain("s3cret");
  });

  it("tells every problem of a configuration, for people too", async () => {
    await using dir = await scratch();
    const file = join(dir.path, "config.yaml");
    await writeFile(file, "plugins: {nats: {username: me, ttl: soon}}\n");
    const { code, stdout } = await run(["check", "-c", file]).exit;
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed {3}configuration .*CONFIG_INVALID: .*2 problems/);
    expect(stdout).toMatch(/\n +plugins\.nats\.ttl = "soon"/);
    expect(stdout).toMatch(/\n1 failed, 0 warnings\n$/);
  });

  it("wants to know where NATS is", async () => {
    const { code, stdout, stderr } = await run(["check"]).exit;
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^CONFIG_INVALID: .*--config FILE, or --server/);
  });
});
