import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import type { BridgeOptions } from "../../../src/config/options.ts";
import { startServer } from "../../../src/server/server.ts";
import { type BundleServer, startBundleServer } from "../../support/bundle-server.ts";
import { bundleWith, revised } from "../../support/pack-bundle.ts";
import { freePort } from "../../support/ports.ts";
import { DOCS, follow, TEAMS } from "./kit.ts";

const SOON = { timeout: 4_000, interval: 20 };
const POLLING = { min_delay_seconds: 1, max_delay_seconds: 1 };

let folder: string;
let server: BundleServer;
beforeAll(async () => {
  server = await startBundleServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kept-"));
  server.answer = undefined;
  server.put(await readFile(TEAMS));
  return () => rm(folder, { recursive: true });
});

function options(persist = true): BridgeOptions {
  return {
    services: { acme: { url: server.url } },
    persistence_directory: folder,
    bundles: { "teams/x": { polling: POLLING, persist } },
  };
}

const FILE = (): string => join(folder, "bundles", "teams%2Fx", "bundle.tar.gz");

/** Told as a boolean: showing the difference between two bundles takes minutes. */
async function isKept(bytes: Buffer): Promise<boolean> {
  return bytes.equals(await readFile(FILE()));
}

function outage(): void {
  server.answer = (request) => request.socket.destroy();
}

describe("a bundle that is kept on disk", () => {
  it("P5 is what the bridge starts with when NATS and the bundle server are down, and it says so", async () => {
    {
      await using first = follow(options());
      await first.started.all;
    }
    expect(await isKept(await readFile(TEAMS))).toBe(true);
    outage();
    const nats = {
      server_url: `nats://127.0.0.1:${await freePort()}`,
      retry_on_failed_connect: true,
    };
    await using bridge = await createBridge({ ...options(), nats });
    await vi.waitFor(() => expect(bridge.health().bundles).toBe(true), SOON);
    const { result } = await bridge.decide("teams/authz/allow", { user: "alice" });
    expect(result).toBe(true);
    await vi.waitFor(() => {
      expect(bridge.health().warnings).toEqual([
        expect.stringMatching(/bundle "teams\/x" is the one from disk \(.*can't be downloaded/),
      ]);
    }, SOON);
    expect(bridge.status().bundles["teams/x"]).toMatchObject({
      active_from: "disk",
      active_revision: "teams-1",
      code: "bundle_error",
    });
    const service = await startServer(bridge, {
      ...bridge.config.server,
      host: "127.0.0.1",
      port: 0,
    });
    try {
      expect((await fetch(`${service.url}/health?bundles`)).status).toBe(200);
      const metrics = await (await fetch(`${service.url}/metrics`)).text();
      expect(metrics).toContain('nats_opa_bridge_bundle_active{bundle="teams/x",from="disk"} 1');
    } finally {
      await service.close();
    }
    server.answer = undefined;
    await vi.waitFor(
      () => expect(bridge.status().bundles["teams/x"]?.active_from).toBe("source"),
      SOON,
    );
    // The very same bundle: nothing had to take over.
    expect(bridge.status().bundles["teams/x"]).toMatchObject({ activations: 1 });
    expect(bridge.health().warnings).toEqual([]);
  });

  it.each(["", "no bundle", "cut"])(
    "that is damaged (%j) is reported, and the service is asked",
    async (damage) => {
      {
        await using first = follow(options());
        await first.started.all;
      }
      const whole = await readFile(FILE());
      await writeFile(FILE(), damage === "cut" ? whole.subarray(0, whole.length / 2) : damage);
      outage();
      await using second = follow(options());
      await expect(second.started.all).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
      expect(second.logged.join("\n")).toMatch(/BUNDLE_UNREADABLE.*bundle\.tar\.gz/);
      expect(second.manager.waiting).toEqual(["teams/x"]);
      server.answer = undefined;
      await vi.waitFor(() => expect(second.manager.waiting).toEqual([]), SOON);
      await vi.waitFor(async () => expect(await isKept(whole)).toBe(true), SOON);
    },
  );

  it("is the last good one: a bad one is never kept, and nothing lies beside it", async () => {
    await using followed = follow(options());
    await followed.started.all;
    server.put(await bundleWith(TEAMS, { "policy.wasm": "no module" }));
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams/x"]?.code).toBe("bundle_error");
    }, SOON);
    expect(await isKept(await readFile(TEAMS))).toBe(true);
    expect(await readdir(join(folder, "bundles", "teams%2Fx"))).toEqual(["bundle.tar.gz"]);
  });

  it("is checked by its signature like any other", async () => {
    const signed = {
      ...options(),
      keys: {
        test: { key_file: "test/policies/signed/ES256.pem", algorithm: "ES256", scope: "write" },
      },
      bundles: { "teams/x": { polling: POLLING, persist: true, signing: {} } },
    };
    server.put(await readFile("test/policies/signed/ES256.tar.gz"));
    {
      await using first = follow(signed);
      await first.started.all;
    }
    outage();
    {
      await using second = follow(signed);
      await vi.waitFor(() => expect(second.manager.waiting).toEqual([]), SOON);
    }
    await writeFile(FILE(), await readFile(TEAMS));
    await using third = follow(signed);
    await expect(third.started.all).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
    expect(third.logged.join("\n")).toContain("BUNDLE_SIGNATURE");
    expect(third.manager.waiting).toEqual(["teams/x"]);
  });

  it("that can't be written is reported, and serves all the same", async () => {
    await writeFile(join(folder, "bundles"), "a file in the folder's place");
    await using followed = follow(options());
    await followed.started.all;
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams/x"]?.persist_error).toMatch(/persistence_directory/);
    }, SOON);
    expect(await followed.allows("alice")).toBe(true);
  });
});

describe("going back", () => {
  it("P5 is one call, once, and stays until the source has something else", async () => {
    await using followed = follow(options());
    await followed.started.all;
    await expect(followed.manager.rollback()).rejects.toMatchObject({ code: "BUNDLE_NO_PREVIOUS" });
    await expect(followed.manager.rollback("other")).rejects.toMatchObject({
      code: "BUNDLE_NO_PREVIOUS",
      message: expect.stringContaining('"teams/x"') as string,
    });
    server.put(await revised(TEAMS, "teams-2"));
    await vi.waitFor(() => expect(followed.revision("teams/x")).toBe("teams-2"), SOON);
    await followed.manager.rollback();
    expect(followed.revision("teams/x")).toBe("teams-1");
    expect(followed.manager.status()["teams/x"]).toMatchObject({
      active_from: "rollback",
      active_revision: "teams-1",
    });
    expect(await isKept(await readFile(TEAMS))).toBe(true);
    await expect(followed.manager.rollback()).rejects.toMatchObject({ code: "BUNDLE_NO_PREVIOUS" });
    const { length } = server.requests;
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(length + 1), SOON);
    expect(followed.revision("teams/x")).toBe("teams-1");
    server.put(await revised(TEAMS, "teams-3"));
    await vi.waitFor(() => expect(followed.revision("teams/x")).toBe("teams-3"), SOON);
  });

  it("P5 without a name goes back with what was activated last", async () => {
    const bundles = { teams: { file: TEAMS }, "teams/x": { polling: POLLING } };
    server.put(await readFile(DOCS));
    await using followed = follow({ ...options(), bundles });
    await followed.started.all;
    server.put(await revised(DOCS, "docs-2"));
    await vi.waitFor(() => expect(followed.revision("teams/x")).toBe("docs-2"), SOON);
    await followed.manager.rollback();
    expect(followed.engine.policy?.revisions).toEqual(
      new Map([
        ["teams", "teams-1"],
        ["teams/x", "docs-1"],
      ]),
    );
  });
});
