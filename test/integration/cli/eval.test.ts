import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { build, type Exit, run, scratch } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));
const PRINT = fileURLToPath(new URL("../../policies/print/bundle.tar.gz", import.meta.url));

let nats: NatsServer;

beforeAll(async () => {
  await build();
  nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  const { views } = client.jetstream();
  const team = await views.kv("team");
  await team.put("a", "1");
  await team.put("b", "9007199254740993");
  await client.close();
}, 120_000);

afterAll(() => nats[Symbol.asyncDispose]());

function evaluate(args: readonly string[], stdin?: string): Promise<Exit> {
  return run(["eval", ...args, "-s", nats.url, "-b", BASIC], { stdin }).exit;
}

describe("eval", () => {
  it("prints a decision with input from a file, every digit of it", async () => {
    await using dir = await scratch();
    const input = join(dir.path, "input.json");
    await writeFile(input, '{"bucket": "team", "key": "b"}');
    const ended = await evaluate(["basic/value", "-i", input]);
    expect(ended).toEqual({
      code: 0,
      signal: null,
      stdout: '{"result":9007199254740993}\n',
      stderr: "",
    });
  });

  it("shows what the policy prints beside the decision", async () => {
    const args = ["eval", "printing/texts", "-i", "-", "-s", nats.url, "-b", PRINT];
    const { stdout, stderr } = await run(args, { stdin: '{"list": [2]}' }).exit;
    expect(stdout).toBe('{"result":true}\n');
    expect(stderr).toBe('text 1.50 true null <undefined> {1, "b"} [2] {"a": "b"}\n2 of [2]\n');
  });

  it("takes the input from standard input, and tells the revisions that were used", async () => {
    const args = ["basic/value", "--input", "-", "--provenance", "--pretty"];
    const { code, stdout } = await evaluate(args, '{"bucket": "team", "key": "a"}');
    expect(code).toBe(0);
    expect(stdout).toContain('\n  "result": 1,\n');
    expect(JSON.parse(stdout)).toMatchObject({ result: 1, provenance: { buckets: { team: 2 } } });
  });

  it("has buckets watched first that are named", async () => {
    const input = '{"bucket": "team"}';
    const without = await evaluate(["basic/watched", "-i", "-"], input);
    const named = await evaluate(["basic/watched", "-i", "-", "--bucket", "team"], input);
    expect([without.stdout, named.stdout]).toEqual(['{"result":false}\n', '{"result":true}\n']);
  });

  it("ends with code 1 for what is undefined only when it is asked to", async () => {
    const [plain, fail] = await Promise.all([
      evaluate(["basic/root"]),
      evaluate(["basic/root", "--fail"]),
    ]);
    expect([plain.code, plain.stdout, fail.code, fail.stdout]).toEqual([0, "{}\n", 1, "{}\n"]);
    expect(plain.stderr).toBe("");
  });

  it("tells of the decisions that there are where there is nothing at the path", async () => {
    const { code, stdout, stderr } = await evaluate(["basic/alow"]);
    expect([code, stdout]).toEqual([0, "{}\n"]);
    expect(stderr).toMatch(/^there is no decision and no data at basic\/alow; .*basic\/allow, /);
  });

  it.concurrent.each<[string, readonly string[], number, RegExp]>([
    ["no address", ["eval", "a", "-b", BASIC], 2, /^CONFIG_INVALID: .*--config FILE, or --server/],
    ["no policy", ["eval", "a", "-s", "nats://127.0.0.1:1"], 2, /^CONFIG_INVALID: There is no/],
    [
      "an input that is not JSON",
      ["eval", "a", "-s", "nats://127.0.0.1:1", "-b", BASIC, "-i", "README.md"],
      2,
      /^INPUT_INVALID: The file "README.md" is not JSON/,
    ],
    [
      "a server that is not there",
      ["eval", "a", "-s", "nats://127.0.0.1:1", "-b", BASIC],
      1,
      /^NATS_UNREACHABLE: /,
    ],
  ])("refuses %s", async (_what, args, expected, words) => {
    const { code, stdout, stderr } = await run(args).exit;
    expect([code, stdout]).toEqual([expected, ""]);
    expect(stderr).toMatch(words);
  });

  it("fails with code 1 when a bucket that is named is missing", async () => {
    const { code, stderr } = await evaluate(["basic/allow", "--bucket", "nobody"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^BUCKET_NOT_FOUND: .*nats kv add nobody/);
  });
});
