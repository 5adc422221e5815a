import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { ROOT } from "./project.ts";
import { type Ended, run } from "./run.ts";

let registry: Server;

/** Asks a registry for weaknesses, which answers with these advisories by package, or not at all. */
async function audit(advisories: object | undefined): Promise<Ended> {
  registry = createServer((request, response) => {
    request.resume();
    const isAsked =
      request.method === "POST" && request.url === "/-/npm/v1/security/advisories/bulk";
    if (!isAsked || advisories === undefined) {
      response.writeHead(isAsked ? 405 : 404).end();
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(advisories));
  }).listen(0, "127.0.0.1");
  await once(registry, "listening");
  const { port } = registry.address() as AddressInfo;
  const env = { npm_config_registry: `http://127.0.0.1:${port}/`, npm_config_fetch_retries: "0" };
  return run("npm", ["run", "--silent", "audit"], { cwd: ROOT, env });
}

function advisory(title: string): object {
  return { id: 1, url: "https://localhost/1", title, severity: "high", vulnerable_versions: "*" };
}

afterEach(() => registry.close());

describe("npm run audit", () => {
  it("is content when nothing is known", async () => {
    const { code, stdout } = await audit({});
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^production: 0 known weaknesses\n/)]);
  });

  it("fails, and names it, when something is known of what users get", async () => {
    const { code, stderr } = await audit({ fastify: [advisory("Too fast")] });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^production: fastify .*\(high\): Too fast$/m),
    ]);
  });

  it("tells what is known of what only development has, and goes on", async () => {
    const { code, stdout, stderr } = await audit({ vitest: [advisory("Too quick")] });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^production: 0 known/)]);
    expect(stderr).toMatch(/^all, with development: vitest .*: Too quick$/m);
  });

  it("says that nothing was checked when the registry has no such endpoint", async () => {
    const { code, stdout, stderr } = await audit(undefined);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^production: NOT CHECKED, .*405/);
  });
});
