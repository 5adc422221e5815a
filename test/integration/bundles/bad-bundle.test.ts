import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { startServer } from "../../../src/server/server.ts";
import { bundleWith, revised } from "../../support/pack-bundle.ts";
import { sharedNats } from "../../support/shared-nats.ts";
import { KeepingLogger } from "../nats/link-kit.ts";
import { TEAMS } from "./kit.ts";

const SOON = { timeout: 10_000, interval: 20 };

const shared = sharedNats();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bad-bundle-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a bundle that is no good", () => {
  it("P5 leaves the old one serving; status, metrics and log say why, and no more once it is put right", async () => {
    const file = join(folder, "bundle.tar.gz");
    const put = async (bytes: Buffer): Promise<void> => {
      await writeFile(`${file}.new`, bytes);
      await rename(`${file}.new`, file);
    };
    await put(await readFile(TEAMS));
    const logger = new KeepingLogger();
    await using bridge = await createBridge(
      { nats: { server_url: shared.nats.url }, bundles: { teams: { file } } },
      { logger },
    );
    const service = await startServer(bridge, {
      ...bridge.config.server,
      host: "127.0.0.1",
      port: 0,
    });
    const text = async (path: string): Promise<string> =>
      (await fetch(`${service.url}${path}`)).text();
    const metric = async (name: string): Promise<string | undefined> => {
      const line = `nats_opa_bridge_bundle_${name}_total{bundle="teams"} `;
      const lines = (await text("/metrics")).split("\n");
      return lines.find((each) => each.startsWith(line))?.slice(line.length);
    };
    const status = async (): Promise<object> => {
      const { result } = JSON.parse(await text("/v1/status")) as {
        result: { bundles: { teams: object } };
      };
      return result.bundles.teams;
    };
    try {
      expect(await metric("failures")).toBe("0");
      await put(await bundleWith(TEAMS, { ".manifest": "{" }));
      await vi.waitFor(async () => {
        expect(await status()).toMatchObject({
          active_revision: "teams-1",
          code: "bundle_error",
          message: expect.stringContaining(".manifest is not JSON") as string,
        });
      }, SOON);
      expect(await metric("failures")).toBe("1");
      expect(await metric("activations")).toBe("1");
      const warned = logger.lines.filter((line) => line.startsWith("warn"));
      expect(warned).toEqual([expect.stringMatching(/not activated: .*\.manifest is not JSON/)]);
      expect(await bridge.decide("teams/authz/allow", { user: "alice" })).toEqual({ result: true });
      expect((await fetch(`${service.url}/health?bundles`)).status).toBe(200);

      await put(await revised(TEAMS, "teams-2"));
      await vi.waitFor(
        async () => expect(await status()).toMatchObject({ active_revision: "teams-2" }),
        SOON,
      );
      expect(await status()).not.toHaveProperty("message");
      expect([await metric("failures"), await metric("activations")]).toEqual(["1", "2"]);
    } finally {
      await service.close();
    }
  });
});
