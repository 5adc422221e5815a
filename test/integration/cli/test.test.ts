import { mkdir, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { findTool } from "../../../src/tools/find-tool.ts";
import { build, type Exit, run, scratch } from "./cli.ts";

const opa = await findTool("opa");

const POLICY = `package p

# nats.kv.get_data is only named here.
text := "ä nats.kv.status"

role := nats.kv.get_data(input.bucket, concat(".", ["members", input.user])).role

known if { "äö" == "äö"; nats.kv["watch_bucket"](input.bucket) }

state := nats.kv.status(input.bucket).state

never if input.never
`;

const TEST = `package p_test

import data.p

test_get_data if p.role == "admin" with input as {"bucket": "team", "user": "alice"}

test_no_key if nats.kv.get_data("team", "members.bob") == null

test_prefix if nats.kv.get_data("team", "members") == {"alice": {"role": "admin", "id": 12345678901234567890}}

test_watched if p.known with input.bucket as "team"

test_not_watched if not p.known with input.bucket as "other"

test_status if {
  p.state == "live" with input.bucket as "team"
  p.state == "unwatched" with input.bucket as "other"
}

test_text if p.text == "ä nats.kv.status"

test_data if data.nats.kv.team.members.alice.id == 12345678901234567890

test_root if data.roles.admin == 1

test_root_by_get_data if nats.kv.get_data("root", "roles.admin") == 1

test_with_data if p.role == "x" with input as {"bucket": "b", "user": "u"}
  with data.nats.kv.b.members.u.role as "x"

test_with_builtin if p.role == "y" with input as {"bucket": "b", "user": "u"}
  with nats.kv.get_data as {"role": "y"}
`;

const FILES = {
  "policies/p.rego": POLICY,
  "policies/p_test.rego": TEST,
  "policies/fixtures/team.json": '{"members.alice": {"role": "admin", "id": 12345678901234567890}}',
  "policies/fixtures/root.yaml": "roles: { admin: 1 }",
};

/** Runs the command on these files; what it leaves behind in the system's folder for such things is an error. */
async function test(files: Record<string, string>, ...args: string[]): Promise<Exit> {
  await using dir = await scratch();
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const all = ["test", "policies", "--root-bucket", "root", ...args];
  return await run(all, { cwd: dir.path, env: { OPA_BIN: opa } }).exit;
}

beforeAll(build, 120_000);

describe.runIf(opa !== undefined || process.env["CI"] === "true")("test", () => {
  it("answers nats.kv.* from fixtures, as the bridge would, and cleans up", async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.includes("bridge-test"));
    const { code, stdout, stderr } = await test(FILES);
    expect([stderr, stdout, code]).toEqual(["", "PASS: 12/12\n", 0]);
    const after = (await readdir(tmpdir())).filter((name) => name.includes("bridge-test"));
    expect(after).toEqual(before);
  });

  it("names the files and lines of the policies in what it says, and fails as opa does", async () => {
    const failing = `${TEST}\ntest_wrong if nats.kv.get_data("team", "members.alice.role") == "user"\n`;
    const { code, stdout } = await test({ ...FILES, "policies/p_test.rego": failing });
    const line = failing.split("\n").findIndex((text) => text.startsWith("test_wrong")) + 1;
    expect(stdout).toContain(`policies/p_test.rego:${line}:\ndata.p_test.test_wrong: FAIL`);
    expect(stdout).toContain("PASS: 12/13\nFAIL: 1/13");
    expect(code).toBe(2);
    const some = await test({ ...FILES, "policies/p_test.rego": failing }, "--run", "status", "-v");
    expect(some.stdout).toContain("data.p_test.test_status: PASS");
    expect([some.stdout.includes("PASS: 1/1"), some.code]).toEqual([true, 0]);
    const broken = await test({ ...FILES, "policies/p.rego": `${POLICY}\nx if nats.kv.(\n` });
    expect(broken.stderr).toContain("policies/p.rego:14: rego_parse_error");
    expect(broken.code).toBe(1);
  });

  it("says which lines the tests cover, of the policies and nothing else", async () => {
    const json = await test(FILES, "--coverage", "--format", "json");
    const report = JSON.parse(json.stdout) as {
      files: Record<string, { not_covered: { start: { row: number } }[] }>;
    };
    expect(Object.keys(report.files).toSorted()).toEqual([
      "policies/p.rego",
      "policies/p_test.rego",
    ]);
    const { not_covered: missed } = report.files["policies/p.rego"]!;
    expect(new Set(missed.map(({ start }) => start.row))).toEqual(new Set([12]));
    const enough = await test(FILES, "--threshold", "90");
    expect(enough.stdout).toMatch(/^PASS: 12\/12\npolicies\/p\.rego: .*, not line 12\n/);
    expect([enough.stderr, enough.code]).toEqual(["", 0]);
    const few = await test(FILES, "--threshold", "99.9");
    expect(few.stderr).toMatch(
      /^Code coverage threshold not met: got \d+(\.\d+)? instead of 99.9\n$/,
    );
    expect(few.code).toBe(2);
  });

  it.each([
    ["policies/fixtures/team.json", "[]", "does not hold an object"],
    ["policies/fixtures/team.json", "{", "can't be read"],
    ["policies/fixtures/a.b.json", "{}", "is not named as a bucket"],
    ["policies/fixtures/team.yaml", "{}", "is the second one for its bucket"],
  ])("refuses a fixture that can't be used: %s with %s", async (file, text, message) => {
    const { code, stderr } = await test({ ...FILES, [file]: text });
    expect(stderr).toContain(message);
    expect([stderr.startsWith("CONFIG_INVALID: The fixture "), code]).toEqual([true, 2]);
  });

  it("passes the example's own tests", async () => {
    const args = ["test", "examples/groups", "--root-bucket", "permit-groups-default"];
    const { code, stdout } = await run(args, { env: { OPA_BIN: opa } }).exit;
    expect([stdout, code]).toEqual(["PASS: 6/6\n", 0]);
  });
});
