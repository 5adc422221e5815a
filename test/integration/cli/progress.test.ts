import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endAtExit } from "../../support/exit.ts";
import { build, run } from "./cli.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BASIC = "test/policies/basic/bundle.tar.gz";

/** Of util-linux: gives a command a terminal. Others of this name have other options. */
const hasTerminal = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** Takes connections, and never says a word. */
const mute = createServer();
let server: string;

beforeAll(async () => {
  await build();
  mute.listen(0, "127.0.0.1");
  await once(mute, "listening");
  server = `nats://127.0.0.1:${(mute.address() as AddressInfo).port}`;
}, 120_000);

afterAll(() => mute.close());

/** What the program writes to a terminal, and its code; Ctrl-C is pressed once it has written `enough`. */
async function onTerminal(
  command: string,
  enough?: RegExp,
): Promise<{ code: number; text: string }> {
  // Without exec, a shell of some kinds (dash) stays in between, and dies of the Ctrl-C with a code of its own.
  const line = `exec "${process.execPath}" dist/cli/main.js ${command}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    cwd: ROOT,
    stdio: ["pipe", "pipe", "inherit"],
  });
  endAtExit.add(child);
  let text = "";
  let pressed = false;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (pressed || enough?.test(text) !== true) return;
    pressed = true;
    child.stdin.write("\u0003");
  });
  const [code] = (await once(child, "close")) as [number];
  endAtExit.delete(child);
  return { code, text };
}

describe("what takes long", { timeout: 60_000 }, () => {
  it.runIf(hasTerminal).each([
    ["eval basic/allow", "connecting, and loading what is configured", 1],
    ["check", "connecting", 1],
  ])("is told of on a terminal, and taken away: %s", async (command, what, expected) => {
    const { code, text } = await onTerminal(`${command} -s ${server} -b ${BASIC}`);
    expect(code).toBe(expected);
    const told = text.indexOf(`\r\u001b[K${what}, 1 s`);
    expect([text, told >= 0]).toEqual([text, true]);
    const end = text.slice(text.lastIndexOf(`${what}, `));
    expect(end).toContain(" s\r\u001b[K");
    expect(end).toContain("NATS_UNREACHABLE: ");
  });

  it.runIf(hasTerminal)("has a bar in the demo on a terminal", async () => {
    const { code, text } = await onTerminal("demo --port 0", /Ctrl-C stops everything/);
    expect([code, text]).toEqual([0, expect.stringContaining("█")]);
  });

  it("is not told of to a program", async () => {
    const args = ["eval", "basic/allow", "-s", server, "-b", BASIC];
    const { code, stderr } = await run(args).exit;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^NATS_UNREACHABLE: [^\n]*\n$/)]);
  });
});
