import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { build, run, scratch } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));

beforeAll(build, 120_000);

describe("serve is refused with code 2 before anything starts", () => {
  const good = "nats: {server_url: 'nats://127.0.0.1:1'}\n";
  it.concurrent.each<[string, string | undefined, readonly string[], RegExp]>([
    [
      "a wrong value",
      "plugins: {nats: {max_bucket_watchers: 0}}",
      ["-b", BASIC],
      /^CONFIG_INVALID: .*config\.yaml" has a problem:\n {2}plugins\.nats\.max_bucket_watchers = 0: must be .*default is 10\n$/,
    ],
    [
      "a wrong key",
      "plugins: {nats: {sever_url: x}}",
      ["-b", BASIC],
      /plugins\.nats\.sever_url: unknown key; did you mean "server_url"\?/,
    ],
    [
      "half a pair",
      "plugins: {nats: {username: me}}",
      ["-b", BASIC],
      /plugins\.nats\.username: half of a pair; give password/,
    ],
    [
      "no YAML",
      "plugins: [",
      ["-b", BASIC],
      /^CONFIG_UNREADABLE: .*not valid YAML or JSON at line 1/,
    ],
    [
      "no configuration file",
      undefined,
      ["-b", BASIC],
      /^CONFIG_UNREADABLE: .*config\.yaml" can't be read \(ENOENT\)/,
    ],
    ["no bundle", good, [], /^CONFIG_INVALID: There is no policy to serve; .* --bundle FILE/],
    [
      "a bundle that is not there",
      good,
      ["-b", "no.tar.gz"],
      /^BUNDLE_UNREADABLE: .*no\.tar\.gz" can't be read \(ENOENT\); check the path/,
    ],
    [
      "what is not a bundle",
      good,
      ["-b", "config.yaml"],
      /^BUNDLE_UNREADABLE: .*config\.yaml" is neither a bundle .*make one with: nats-opa-bridge build/,
    ],
    [
      "a bad address",
      good,
      ["-b", BASIC, "-a", "localhost"],
      /^CONFIG_INVALID: --addr "localhost": the port is missing; write 127\.0\.0\.1:8181/,
    ],
    [
      "a bad log level",
      good,
      ["-b", BASIC, "--log-level", "loud"],
      /^error: .*--log-level.*'loud' is invalid.*trace, debug/,
    ],
    ["an unknown option", good, ["-b", BASIC, "--prot", "1"], /^error: unknown option '--prot'/],
  ])("%s", async (_what, text, args, words) => {
    await using dir = await scratch();
    if (text !== undefined) await writeFile(join(dir.path, "config.yaml"), text);
    const { code, stdout, stderr } = await run(["serve", "-c", "config.yaml", ...args], {
      cwd: dir.path,
    }).exit;
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(words);
  });
});

describe("the program", () => {
  it.concurrent.each<[readonly string[], number]>([
    [[], 2],
    [["serve"], 2],
    [["sreve"], 2],
    [["demo", "--port", "x"], 2],
    [["demo", "--port", "65536"], 2],
    [["build", "."], 2],
    [["--help"], 0],
    [["serve", "--help"], 0],
    [["--version"], 0],
  ])("%j ends with code %i", async (args, expected) => {
    const { code, stdout, stderr } = await run(args).exit;
    expect(code).toBe(expected);
    expect(expected === 0 ? stdout : stderr).not.toBe("");
  });

  it("has the commands that the README lists, each with examples and exit codes", async () => {
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    const [, table] = /^\| Command .*\n.*\n((?:\|.*\n)+)/m.exec(readme)!;
    const listed = [...table!.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
    const { stdout } = await run(["--help"]).exit;
    const [, commands] = /\nCommands:\n([^]*)$/.exec(stdout)!;
    const known = [...commands!.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name!);
    expect(listed.toSorted()).toEqual(known.filter((name) => name !== "help").toSorted());
    const helps = await Promise.all(listed.map((name) => run([name, "--help"]).exit));
    for (const help of helps)
      expect(help.stdout).toMatch(/\nExamples?:\n {2}\$ [^]*\nExit codes: 0 /);
  });
});
