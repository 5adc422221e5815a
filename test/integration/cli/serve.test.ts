import { createServer } from "node:net";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { build, type Exit, type Run, run, scratch, urlOf } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));
const PRINT = fileURLToPath(new URL("../../policies/print/bundle.tar.gz", import.meta.url));

beforeAll(build, 120_000);

async function ask(url: string, path: string, input: unknown): Promise<unknown> {
  const response = await fetch(`${url}/v1/data/${path}`, {
    method: "POST",
    body: JSON.stringify({ input }),
  });
  return response.json();
}

async function stopped(service: Run, signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
  service.child.kill(signal);
  return service.exit;
}

describe("serve", () => {
  it("N23 runs on the config.yaml of opa-nats, every key of it, and answers until SIGTERM", async () => {
    const token = "s3cret-token";
    await using nats = await startNatsServer({ config: `authorization { token: "${token}" }` });
    const client = await connect({ servers: nats.url, token });
    const views = client.jetstream().views;
    await (await views.kv("schema")).put("groups", '{"n":1}');
    await (await views.kv("team")).put("a.b", "9007199254740993");
    await using dir = await scratch();
    await writeFile(
      join(dir.path, "config.yaml"),
      `plugins:
  nats:
    server_url: \${TEST_NATS_URL}
    token: "\${TEST_NATS_TOKEN}"
    tls_insecure: false
    ttl: "10m"
    refresh_interval: "30s"
    max_reconnect_attempts: 10
    reconnect_wait: "2s"
    max_bucket_watchers: 10
    root_bucket: schema
server:
  addr: 127.0.0.1:0
`,
    );
    await copyFile(BASIC, join(dir.path, "policy.tar.gz"));
    // The bundle's path is relative to where the command is given.
    const service = run(["serve", "--config", "config.yaml", "--bundle", "policy.tar.gz"], {
      cwd: dir.path,
      env: { TEST_NATS_URL: nats.url, TEST_NATS_TOKEN: token },
    });
    const url = await urlOf(service);
    await vi.waitFor(
      async () => {
        expect((await fetch(`${url}/health?plugins&bundles`)).status).toBe(200);
      },
      { timeout: 10_000 },
    );
    expect(await ask(url, "basic/root", {})).toEqual({ result: { n: 1 } });
    const digits = await fetch(`${url}/v1/data/basic/value`, {
      method: "POST",
      body: '{"input":{"bucket":"team","key":"a.b"}}',
    });
    expect(await digits.text()).toBe('{"result":9007199254740993}');
    // Its young generation has not grown, so that no collection of it is long: shortenPauses().
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const [, bytes] = /^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)$/m.exec(metrics)!;
    expect(Number(bytes)).toBeLessThanOrEqual(4 * 2 ** 20);
    const { code, signal, stdout, stderr } = await stopped(service);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: "" });
    expect(stderr).toMatch(/"signal":"SIGTERM".*"stopping"[^]*"stopped"/);
    expect(stderr).not.toContain(token);
    await expect(fetch(`${url}/health`)).rejects.toThrow("fetch failed");
    await client.close();
  });

  it.each<[string, string, RegExp]>([
    [
      "username, password and the rest",
      "username: u\n    password: p\n    tls_ca_cert: ca.pem",
      /NATS_CREDENTIALS: .*ca\.pem/,
    ],
    ["credentials", "credentials: user.creds", /NATS_CREDENTIALS: .*user\.creds/],
    ["user_jwt and user_nkey_seed", "user_jwt: x\n    user_nkey_seed: y", /NATS_CREDENTIALS: /],
    ["tls_cert and tls_key", "tls_cert: c.pem\n    tls_key: k.pem", /NATS_CREDENTIALS: .*c\.pem/],
  ])(
    "N23 reads %s, and refuses what it names that is not there with code 2",
    async (_keys, lines, words) => {
      await using dir = await scratch();
      const config = join(dir.path, "config.yaml");
      await writeFile(config, `plugins:\n  nats:\n    ${lines}\nserver:\n  addr: 127.0.0.1:0\n`);
      const { code, stderr, stdout } = await run(["serve", "-c", config, "-b", BASIC]).exit;
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(words);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    },
  );

  it("writes what a policy prints to its log, with the decision", async () => {
    await using nats = await startNatsServer();
    await using dir = await scratch();
    const config = join(dir.path, "config.yaml");
    await writeFile(config, `plugins: { nats: { server_url: "${nats.url}" } }`);
    const service = run(["serve", "-c", config, "-b", PRINT, "--addr", "127.0.0.1:0"]);
    const url = await urlOf(service);
    expect(await ask(url, "printing/texts", { list: [2] })).toEqual({ result: true });
    const { stderr } = await stopped(service);
    const lines = stderr.split("\n").filter((line) => line.includes("printing/texts"));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      {
        level: 30,
        print: "printing/texts",
        msg: expect.stringMatching(/^text 1\.50 true null <undefined>/),
      },
      { level: 30, print: "printing/texts", msg: "2 of [2]" },
    ]);
  });

  it("says that NATS is not there, and is ready once it is", async () => {
    const port = await freePort();
    await using dir = await scratch();
    const config = join(dir.path, "config.json");
    await writeFile(
      config,
      JSON.stringify({
        plugins: { nats: { server_url: `nats://127.0.0.1:${port}`, root_bucket: "schema" } },
        bundles: { main: { file: BASIC } },
      }),
    );
    const service = run(["serve", "-c", config, "--addr", "127.0.0.1:0"]);
    const url = await urlOf(service);
    const unready = await fetch(`${url}/health?plugins`);
    expect(unready.status).toBe(500);
    expect(await unready.json()).toMatchObject({
      code: "internal_error",
      reasons: [
        expect.stringMatching(/^NATS is not connected/),
        expect.stringMatching(/root bucket schema/),
      ],
    });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await ask(url, "basic/allow", { user: "alice" })).toEqual({ result: true });

    await using nats = await startNatsServer({ port });
    const client = await connect({ servers: nats.url });
    await (await client.jetstream().views.kv("schema")).put("groups", "[1]");
    await client.close();
    await vi.waitFor(
      async () => {
        expect((await fetch(`${url}/health?plugins`)).status).toBe(200);
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(await ask(url, "basic/root", {})).toEqual({ result: [1] });
    expect((await stopped(service, "SIGINT")).code).toBe(0);
  });

  it("goes on while it waits to stop, saying that it is not ready", async () => {
    await using dir = await scratch();
    const config = join(dir.path, "config.yaml");
    await writeFile(
      config,
      "nats: {server_url: 'nats://127.0.0.1:1'}\nserver: {addr: '127.0.0.1:0', shutdown_wait_period: 20s}\n",
    );
    const service = run(["serve", "-c", config, "-b", BASIC]);
    const url = await urlOf(service);
    service.child.kill("SIGTERM");
    await service.until(/"stopping"/);
    expect(await (await fetch(`${url}/health?plugins`)).json()).toMatchObject({
      reasons: ["the service is stopping"],
    });
    expect(await ask(url, "basic/allow", { user: "alice" })).toEqual({ result: true });
    // Who is in a hurry asks twice.
    service.child.kill("SIGTERM");
    expect(await service.exit).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  it("ends with code 1 and a clear error when its port is in use", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port));
    });
    await using dir = await scratch();
    const config = join(dir.path, "config.yaml");
    await writeFile(config, "nats: {server_url: 'nats://127.0.0.1:1'}\n");
    const args = ["serve", "-c", config, "-b", BASIC, "-a", `127.0.0.1:${port}`];
    const { code, stderr } = await run([...args, "--log-level", "silent"]).exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^SERVER_LISTEN: .*"127\\.0\\.0\\.1:${port}" \\(EADDRINUSE\\).*--addr.*\\n$`),
    );
    other.close();
  });
});
