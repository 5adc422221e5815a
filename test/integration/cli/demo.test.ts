import { mkdir, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect } from "nats";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { build, childrenOf, type Exit, isRunning, type Run, run, scratch } from "./cli.ts";

beforeAll(build, 120_000);

/** A demo whose temporary files are in a directory of their own. */
interface Demo extends Run, AsyncDisposable {
  readonly directory: string;
  /** How it ended, once nothing of it is left: no process and no file. */
  end(): Promise<Exit>;
}

async function startDemo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Demo> {
  const { path, [Symbol.asyncDispose]: remove } = await scratch();
  const temporary = join(path, "tmp");
  await mkdir(temporary);
  const running = run(["demo", ...args], { env: { TMPDIR: temporary, ...env } });
  // Looked for all the time: a demo that is interrupted early has a server for a moment only.
  const servers = new Set<number>();
  const look = setInterval(() => {
    void childrenOf(running.child.pid!).then((ids) => ids.forEach((id) => servers.add(id)));
  }, 50);
  return {
    ...running,
    directory: path,
    async end() {
      const exit = await running.exit;
      clearInterval(look);
      expect([...servers].filter(isRunning)).toEqual([]);
      expect(await readdir(temporary)).toEqual([]);
      return exit;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(look);
      running.child.kill("SIGKILL");
      await running.exit;
      // After a test that failed.
      for (const pid of [...servers].filter(isRunning)) process.kill(pid, "SIGKILL");
      await remove();
    },
  };
}

/** The one child of a demo: its nats-server. */
async function serverOf(demo: Demo): Promise<number> {
  return vi.waitFor(async () => {
    const [pid] = await childrenOf(demo.child.pid!);
    expect(pid).toBeTypeOf("number");
    return pid!;
  });
}

function stepsOf({ stdout }: Exit): Record<string, unknown>[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("demo --once", () => {
  it("shows every step as a line of JSON, and leaves nothing behind", async () => {
    await using demo = await startDemo(["--once", "--port", "0"]);
    await demo.until(/"step":"nats"/);
    const nats = await serverOf(demo);
    expect(isRunning(nats)).toBe(true);
    const exit = await demo.end();
    expect([exit.code, exit.stderr]).toEqual([0, ""]);
    expect(isRunning(nats)).toBe(false);
    const steps = stepsOf(exit);
    expect(steps.map(({ step }) => step)).toEqual([
      "nats",
      "data",
      "service",
      "alice-pays",
      "bob-pays",
      "dev-pushes",
      "carol-deploys",
      "bob-pays-now",
      "done",
    ]);
    expect(steps.at(-1)).toEqual({ step: "done", ok: true });
    const allowed = (name: string): unknown => {
      const found = steps.find(({ step }) => step === name);
      return (found!["decision"] as { allow: boolean }).allow;
    };
    expect(
      ["alice-pays", "bob-pays", "dev-pushes", "carol-deploys", "bob-pays-now"].map(allowed),
    ).toEqual([true, false, true, false, true]);
    expect(steps.at(-2)).toMatchObject({ ms: expect.any(Number), revision: expect.any(Number) });
  });

  it("fails, and leaves nothing behind, when it is interrupted", async () => {
    await using demo = await startDemo(["--once", "--port", "0"]);
    await demo.until(/"step":"nats"/);
    demo.child.kill("SIGTERM");
    const { code, stdout, stderr } = await demo.end();
    expect(code).toBe(1);
    expect(stderr).toBe("BRIDGE_STOPPING: The demo was interrupted before it was done.\n");
    expect(stdout).not.toContain("done");
  });

  it("fails, and leaves nothing behind, when nobody reads what it writes", async () => {
    await using demo = await startDemo(["--once", "--port", "0"]);
    await demo.until(/"step":"nats"/);
    demo.child.stdout!.destroy();
    expect((await demo.end()).code).toBe(1);
  });

  it("fails, and leaves nothing behind, when its port is in use", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port));
    });
    await using demo = await startDemo(["--once", "--port", String(port)]);
    const { code, stderr } = await demo.end();
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^SERVER_LISTEN: .*127\\.0\\.0\\.1:${port}.*EADDRINUSE.*--port\\)`),
    );
    other.close();
  });

  it.each([
    ["/no/such/nats-server", 2, /^TOOL_MISSING: NATS_SERVER_BIN is "\/no\/such\/nats-server"/],
    [process.execPath, 1, /^TOOL_FAILED: .*did not start \(exit code \d+\).*check the program/],
  ])("fails, and leaves nothing behind, when its server is %s", async (file, expected, words) => {
    await using demo = await startDemo(["--once", "--port", "0"], { NATS_SERVER_BIN: file });
    const { code, stdout, stderr } = await demo.end();
    expect([code, stdout]).toEqual([expected, ""]);
    expect(stderr).toMatch(words);
  });

  it("keeps the data with --data-dir, and finds it again", async () => {
    await using kept = await scratch();
    const data = join(kept.path, "data");
    for (let time = 0; time < 2; time++) {
      await using demo = await startDemo(["--once", "--port", "0", "--data-dir", data]);
      expect((await demo.end()).code).toBe(0);
    }
    await using nats = await startNatsServer({ dir: kept.path });
    const client = await connect({ servers: nats.url });
    const bucket = "550e8400-e29b-41d4-a716-446655440000";
    const kv = await client.jetstream().views.kv(bucket, { bindOnly: true });
    expect((await kv.get("members.bob"))?.json()).toMatchObject({ role: "admin" });
    await client.close();
  });
});

describe("demo", () => {
  it.each([
    ["at once", /1\. A nats-server/],
    ["while it fills the buckets", /2\. Example data/],
    ["while the service starts", /3\. The policy service/],
    ["while it asks", /4\. Decisions/],
    ["at the end", /Ctrl-C stops everything/],
  ])("is stopped by Ctrl-C %s, and leaves nothing behind", async (_when, line) => {
    await using demo = await startDemo(["--port", "0"]);
    await demo.until(line);
    // Again and again: npm passes on what the terminal has sent already, and people are impatient.
    demo.child.kill("SIGINT");
    const impatience = setInterval(() => demo.child.kill("SIGINT"), 20);
    const { code, stderr } = await demo.end();
    clearInterval(impatience);
    // Null: the last signal came when everything was done, and Node's own end was interrupted.
    expect([0, null]).toContain(code);
    expect(stderr).toBe("");
  });

  it("says what to try next, and that works", async () => {
    await using demo = await startDemo(["--port", "0"]);
    await demo.until(/Ctrl-C stops everything/);
    const { stdout } = demo.output();
    const [, url, body] = /curl -s (http\S+) -d '(.*)'/.exec(stdout)!;
    const answer = await (await fetch(url!, { method: "POST", body: body! })).json();
    expect(answer).toMatchObject({ result: { allow: true, watched: true } });
    const [, status] = /curl -s '(http\S+)'/.exec(stdout)!;
    expect(await (await fetch(status!)).json()).toMatchObject({
      result: { nats: { state: "connected" } },
    });
    demo.child.kill("SIGTERM");
    expect((await demo.end()).code).toBe(0);
  });
});
