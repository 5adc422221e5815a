import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { startServer } from "../../../src/server/server.ts";
import { makeTlsFiles } from "../../support/credentials.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { build, run, scratch } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));
const TOKEN = "s3cret";
const LIMITS = { host: "127.0.0.1", maxBodyBytes: 1_000, shutdownGraceMs: 1_000 };

let nats: NatsServer;
let client: NatsConnection;
let bridge: Bridge;

async function put(bucket: string, key: string, text: string): Promise<number> {
  return (await client.jetstream().views.kv(bucket)).put(key, text);
}

beforeAll(async () => {
  await build();
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  await put("team", "old", "1");
  bridge = await createBridge({ nats: { server_url: nats.url }, bundle: { file: BASIC } });
  await bridge.manager.getOrCreateWatcher("team");
}, 120_000);

afterAll(async () => {
  await bridge.close();
  await client.close();
  await nats[Symbol.asyncDispose]();
});

describe("watch", () => {
  it("F1 shows what is there and what changes, and goes on where it was after a lost connection", async () => {
    const first = await startServer(bridge, { ...LIMITS, port: 0 });
    const watch = run(["watch", first.url, "--bucket", "te*", "--snapshot"]);
    await watch.until(/that is all/);
    // A name or a value must not be able to write anywhere else in the terminal.
    await put("team", "digits", "9007199254740993");
    await put("team", "escape", '"\u001b[2J\u009b\u202e"');
    await watch.until(/put team escape .*\n/);
    await first.close();
    await watch.until(/trying again in/);
    // While nobody can tell it.
    await put("team", "missed", "true");
    await using again = await disposable(startServer(bridge, { ...LIMITS, port: first.port }));
    expect(again.port).toBe(first.port);
    await watch.until(/put team missed @4 true\n/);
    watch.child.kill("SIGINT");
    const { code, stdout, stderr } = await watch.exit;
    expect(stdout.split("\n")).toEqual([
      "entry team old @1 1",
      "put team digits @2 9007199254740993",
      String.raw`put team escape @3 "\"\u001b[2J\u009b\u202e\""`,
      "put team missed @4 true",
      "",
    ]);
    expect(code).toBe(0);
    const [, cursor] = /to go on from here: --cursor (\S+)\n$/.exec(stderr)!;

    const later = run(["watch", first.url, "--cursor", cursor!, "--json"]);
    await put("team", "later", '{"a":\n1.50}');
    await later.until(/later/);
    later.child.kill("SIGTERM");
    const messages = (await later.exit).stdout.trim().split("\n");
    expect(messages.map((line) => (JSON.parse(line) as { type: string }).type)).toContain("hello");
    expect(messages.join("\n")).toContain('"key":"later","revision":5,"value":{"a": 1.50}');
    expect(messages.join("\n")).not.toContain("missed");
  });

  it("shows a token from the environment or a file, and is refused without, and with a cursor that is not kept", async () => {
    await using dir = await scratch();
    const tokenFile = join(dir.path, "token");
    await writeFile(tokenFile, `${TOKEN}\n`);
    const service = { ...LIMITS, port: 0, authentication: "token", tokenFile } as const;
    await using server = await disposable(startServer(bridge, service));
    const none = await run(["watch", server.url]).exit;
    expect([none.code, none.stdout]).toEqual([1, ""]);
    expect(none.stderr).toMatch(/^FEED_REFUSED: .*status 401, authentication required/);
    const gone = ["watch", server.url, "--cursor", "x.1", "--token-file", tokenFile];
    const refused = await run(gone).exit;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^FEED_REFUSED: .*status 4\d\d, .*cursor/i);
    const admitted = run(["watch", server.url, "--json"], {
      env: { NATS_OPA_BRIDGE_TOKEN: TOKEN },
    });
    await admitted.until(/"type":"hello"/);
    admitted.child.kill("SIGINT");
    expect((await admitted.exit).code).toBe(0);
  });

  it.concurrent.each<[string, readonly string[], RegExp]>([
    ["half of a pair", ["--cert", "a.pem"], /^CONFIG_INVALID: --cert and --key go together; /],
    [
      "an authority that is none",
      ["--ca-cert", "README.md"],
      /^CONFIG_INVALID: The file "README\.md" does not hold a certificate in PEM format; /,
    ],
    [
      "a certificate that is none",
      ["--cert", "README.md", "--key", "README.md"],
      /^CONFIG_INVALID: The file "README\.md" does not hold a certificate in PEM format; /,
    ],
    ["a file that is missing", ["--ca-cert", "no.pem"], /^CONFIG_INVALID: .*no\.pem.*\(ENOENT\)/],
  ])("refuses %s, and does not try again", async (_what, args, words) => {
    const { code, stderr } = await run(["watch", "https://127.0.0.1:1", ...args]).exit;
    expect([code, stderr]).toEqual([2, expect.stringMatching(words)]);
  });

  it("says what to give where it does not know the service's authority", async () => {
    await using files = await makeTlsFiles();
    const tls = { certFile: files.serverCertFile, keyFile: files.serverKeyFile };
    await using server = await disposable(startServer(bridge, { ...LIMITS, port: 0, tls }));
    const stranger = run(["watch", server.url]);
    await stranger.until(/certificate \(give .* with --ca-cert\); trying again/);
    stranger.child.kill("SIGINT");
    expect((await stranger.exit).code).toBe(0);
    const known = run(["watch", server.url, "--ca-cert", files.caFile, "--json"]);
    await known.until(/"type":"hello"/);
    known.child.kill("SIGINT");
    expect((await known.exit).code).toBe(0);
  });

  it("refuses what is no address", async () => {
    const { code, stderr } = await run(["watch", "bridge:8181"]).exit;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^CONFIG_INVALID: "bridge:8181"/)]);
  });
});

async function disposable<T extends { close(): Promise<void> }>(
  made: Promise<T>,
): Promise<T & AsyncDisposable> {
  const it = await made;
  return Object.assign(it, { [Symbol.asyncDispose]: () => it.close() });
}
