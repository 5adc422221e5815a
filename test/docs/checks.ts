import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { createBridge } from "../../src/bridge.ts";
import { loadConfig } from "../../src/config/load.ts";
import { findTool } from "../../src/tools/find-tool.ts";
import { run, scratch } from "../integration/cli/cli.ts";
import { type Block, ROOT } from "./blocks.ts";
import { startWorld } from "./world.ts";

/** Accepts the block as a configuration file, without a warning. */
export async function acceptConfig({ text }: Block): Promise<void> {
  await using dir = await scratch();
  const file = join(dir.path, "config.yaml");
  await writeFile(file, text);
  for (const [, path] of text.matchAll(/"?key_file"?: "?([\w./-]+)/g)) {
    await mkdir(dirname(join(dir.path, path!)), { recursive: true });
    await writeFile(join(dir.path, path!), await readFile(`${ROOT}test/policies/signed/ES256.pem`));
  }
  const config = await loadConfig(file, { env: { NATS_TOKEN: "t" } });
  expect(config.warnings).toEqual([]);
}

/** Compiles the block as a policy and asks it, by way of the demo's data, before and after the bucket is watched. */
export async function decideBy(
  { text }: Block,
  asked: { readonly path: string; readonly input: object; readonly result: unknown },
): Promise<void> {
  await using world = await startWorld();
  await writeFile(join(world.dir, "policy.rego"), text);
  const output = join(world.dir, "built.tar.gz");
  const args = ["build", "policy.rego", "-e", asked.path, "-o", output];
  const built = await run(args, { cwd: world.dir }).exit;
  expect([built.stderr, built.code]).toEqual([`wrote ${output}\n`, 0]);
  await using bridge = await createBridge({
    nats: { server_url: world.nats.url, token: world.env["NATS_TOKEN"]! },
    bundle: { file: output },
  });
  const decide = async (): Promise<unknown> =>
    (await bridge.decide(asked.path, asked.input)).result;
  const first = await decide();
  await expect.poll(() => bridge.status().watch.watchers, { timeout: 20_000 }).toBeGreaterThan(0);
  expect([first, await decide()]).toEqual([asked.result, asked.result]);
}

/** Whether Rego can be compiled here; where everything must be tested, it has to be. */
export async function canCompile(): Promise<boolean> {
  return (await findTool("opa")) !== undefined || process.env["CI"] === "true";
}
