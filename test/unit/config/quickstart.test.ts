import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";

test("the quickstart's configuration is accepted without a warning", async () => {
  const file = new URL("../../../examples/quickstart/config.yaml", import.meta.url);
  const config = await loadConfig(fileURLToPath(file), { env: {} });
  expect(config.warnings).toEqual([]);
  expect(config.bundles.map(({ source }) => source)).toEqual([
    { type: "file", path: "/app/examples/groups/bundle.tar.gz" },
  ]);
  expect(config.server).toMatchObject({ host: "0.0.0.0", port: 8181 });
  expect(config.watch.rootBucket).toBe("permit-groups-default");
});
