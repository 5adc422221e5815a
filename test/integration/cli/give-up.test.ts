import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { author } from "../nats/bucket-kit.ts";
import { build, type Run, run, scratch, urlOf } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));
const GIVEN_UP = /"code":"NATS_CLOSED".*max_reconnect_attempts/g;

beforeAll(build, 120_000);

/** How often the service has said so. */
function times(text: string, what: RegExp): number {
  return [...text.matchAll(what)].length;
}

describe("serve, when NATS is lost", () => {
  let nats: NatsServer | undefined;
  let service: Run | undefined;
  afterEach(async () => {
    service?.child.kill("SIGKILL");
    await service?.exit;
    await nats?.stop();
  });

  /** A service that answers decisions, over this connection. */
  async function serve(url: string, nats: string, server = ""): Promise<Run> {
    await using dir = await scratch();
    const config = join(dir.path, "config.yaml");
    const lines = `nats: {server_url: '${url}', reconnect_wait: 50ms, ${nats}}\n`;
    await writeFile(config, `${lines}server: {addr: '127.0.0.1:0', ${server}}\n`);
    service = run(["serve", "-c", config, "-b", BASIC]);
    await urlOf(service);
    return service;
  }

  /** The same, with a bucket in memory. */
  async function watching(nats: NatsServer, options: string, server = ""): Promise<Run> {
    await using admin = await author(nats.url);
    await admin.create("b");
    await admin.putAll("b", [["a", "1"]]);
    const running = await serve(nats.url, options, server);
    const url = await urlOf(running);
    const body = JSON.stringify({ input: { bucket: "b", key: "a" } });
    const ask = async (): Promise<unknown> =>
      (await fetch(`${url}/v1/data/basic/value`, { method: "POST", body })).json();
    await vi.waitFor(async () => expect(await ask()).toEqual({ result: 1 }), { timeout: 10_000 });
    return running;
  }

  it("R1 O60 ends in order and with code 1 once the budget is spent, and says so once", async () => {
    nats = await startNatsServer();
    const running = await watching(nats, "max_reconnect_attempts: 3");
    await nats.kill();
    const { code, signal, stdout, stderr } = await running.exit;
    expect({ code, signal, stdout }).toEqual({ code: 1, signal: null, stdout: "" });
    expect(times(stderr, GIVEN_UP)).toBe(1);
    expect(stderr.trim().split("\n").at(-1)).toContain('"msg":"stopped"');
    expect(times(stderr, /"stopped"/g)).toBe(1);
  });

  it("R1 O2 does so too where NATS was never there", async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const running = await serve(url, "max_reconnect_attempts: 4");
    const { code, stderr } = await running.exit;
    expect(code).toBe(1);
    expect(times(stderr, GIVEN_UP)).toBe(1);
    expect(times(stderr, /"stopped"/g)).toBe(1);
  });

  it("R1 O51 an ordinary end in the middle of an outage is one, with code 0", async () => {
    nats = await startNatsServer();
    const running = await watching(nats, "max_reconnect_attempts: 1000");
    await nats.kill();
    await running.until(/"disconnected from NATS"/);
    running.child.kill("SIGTERM");
    const { code, signal, stderr } = await running.exit;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(times(stderr, GIVEN_UP)).toBe(0);
    expect(times(stderr, /"stopped"/g)).toBe(1);
  });

  it("R1 O51 stays an ordinary end when the budget is spent on the way", async () => {
    nats = await startNatsServer();
    const options = "max_reconnect_attempts: 3";
    const running = await watching(nats, options, "shutdown_wait_period: 3s");
    running.child.kill("SIGTERM");
    await running.until(/"stopping"/);
    await nats.kill();
    await running.until(/"the connection to NATS has been given up"/);
    const { code, signal, stderr } = await running.exit;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(times(stderr, /"stopped"/g)).toBe(1);
  });
});
