import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./images.ts";
import { bringUp, composeAvailable, type Stack } from "./stack.ts";

const NODES = [1, 2, 3];
const PORTS = [
  ...NODES.flatMap((node) => [`NATS_${node}_PORT`, `NATS_${node}_HTTP_PORT`]),
  "BRIDGE_1_PORT",
  "BRIDGE_2_PORT",
];

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

describe.runIf(await composeAvailable())("examples/cluster", { timeout: 600_000 }, () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await bringUp("examples/cluster", PORTS);
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  });

  async function killNodes(env: NodeJS.ProcessEnv, rounds: number): Promise<Ended> {
    const script = join(ROOT, "examples/cluster/kill-nodes.mjs");
    return new Promise((resolve) => {
      execFile("node", [script, "--rounds", String(rounds)], { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
      );
    });
  }

  it("decides without a fault while each node is killed in turn", async () => {
    const { code, stdout, stderr } = await killNodes(stack.env, NODES.length);
    process.stdout.write(stdout);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const node of NODES) expect(stdout).toMatch(new RegExp(`^nats-${node} killed`, "m"));
    for (const bridge of [1, 2]) {
      const shown = stdout.match(new RegExp(`bridge-${bridge} shows the write \\d+ ms after`, "g"));
      expect(shown).toHaveLength(NODES.length);
    }
    const asked = /^(\d+) decisions asked, 0 failed, 0 wrong$/m.exec(stdout)?.[1];
    expect(Number(asked)).toBeGreaterThan(100);
  });

  it("says so, and fails, when one of the bridges lets everybody in", async () => {
    await using impostor = await letsEverybodyIn();
    const env = { ...stack.env, BRIDGE_2_PORT: String(impostor.port) };
    const { code, stdout, stderr } = await killNodes(env, 1);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^\d+ decisions asked, 0 failed, [1-9]\d* wrong$/m);
    expect(stderr).toContain("bridge-2 is wrong: may mallory pay? true; it has to be false");
    expect(stderr).not.toContain("bridge-1");
  });

  it("says so, and fails, when one of the bridges can't decide", async () => {
    await using impostor = await refusesEverybody();
    const env = { ...stack.env, BRIDGE_2_PORT: String(impostor.port) };
    const { code, stdout, stderr } = await killNodes(env, 0);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^\d+ decisions asked, [1-9]\d* failed, 0 wrong$/m);
    expect(stderr).toContain("bridge-2 failed");
  });
});

interface Impostor extends AsyncDisposable {
  readonly port: number;
}

async function letsEverybodyIn(): Promise<Impostor> {
  return listening(createServer((_request, response) => response.end('{"result": true}')));
}

async function refusesEverybody(): Promise<Impostor> {
  return listening(
    createServer((request, response) => {
      // It is there, and has no decision.
      response.statusCode = request.url?.includes("min_revision") ? 200 : 500;
      response.end("{}");
    }),
  );
}

async function listening(server: Server): Promise<Impostor> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
