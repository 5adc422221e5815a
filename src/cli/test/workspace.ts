import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { runProgram } from "../../tools/run-program.ts";
import type { Fixtures } from "./fixtures.ts";
import { STAND_INS, STAND_INS_FILE, standInData, withStandIns } from "./stand-ins.ts";

/** What no policy is in. */
const ELSEWHERE: ReadonlySet<string> = new Set(["node_modules", ".git"]);

/** Nor in bundles, which opa would load beside the policies that they were built from. */
function isElsewhere(path: string): boolean {
  return ELSEWHERE.has(basename(path)) || path.endsWith(".tar.gz");
}

const DATA_FILE = "nats_opa_bridge_test.json";

/**
 * Copies policies into a folder, with the stand-ins in the place of `nats.kv.*`. The answer has the copies' paths in
 * it, which are those that were given, as far as they don't lead elsewhere: so opa names files as their owner does.
 */
export async function copyPolicies(
  opa: string,
  paths: readonly string[],
  folder: string,
  fixtures: string | undefined,
  flags: readonly string[],
): Promise<string[]> {
  const copied: string[] = [];
  for (const path of paths) {
    const inside = relative(".", path);
    const leadsOut = inside.startsWith("..") || isAbsolute(inside);
    const name = leadsOut ? basename(resolve(path)) : inside || ".";
    await copy(path, join(folder, name), fixtures);
    copied.push(name);
  }
  for (const file of await readdir(folder, { recursive: true })) {
    if (file.endsWith(".rego")) await rewrite(opa, join(folder, file), file, flags);
  }
  return copied;
}

async function copy(from: string, to: string, fixtures: string | undefined): Promise<void> {
  try {
    await stat(from);
    await cp(from, to, {
      recursive: true,
      dereference: true,
      filter: (source) => !isElsewhere(source) && resolve(source) !== fixtures,
    });
  } catch (error) {
    throw new BridgeError(
      "CONFIG_INVALID",
      `${quote(from)} can't be read (${messageOf(error)}); name files and directories with policies.`,
      { cause: error },
    );
  }
}

async function rewrite(
  opa: string,
  path: string,
  name: string,
  flags: readonly string[],
): Promise<void> {
  const source = await readFile(path, "utf8");
  // Most files don't use them, and needn't be parsed.
  if (!/\bnats\b/.test(source)) return;
  const args = ["parse", ...flags, "--json-include", "locations", "--format", "json", name];
  const cwd = path.slice(0, -name.length);
  let tree: unknown;
  try {
    tree = JSON.parse(await runProgram(opa, args, { cwd }));
  } catch {
    // Not Rego: opa test says so, and where.
    return;
  }
  await writeFile(path, withStandIns(source, tree));
}

/** Writes the stand-ins and the fixtures; the answer has their paths in the folder. */
export async function writeStandIns(folder: string, fixtures: Fixtures): Promise<string[]> {
  const { root, rootBucket, kv, revisions } = fixtures;
  const roots = rootBucket === undefined ? "{}" : `{${JSON.stringify(rootBucket)}:${root}}`;
  const files = [
    [STAND_INS_FILE, STAND_INS],
    [DATA_FILE, standInData(roots, revisions)],
    ["nats_opa_bridge_kv.json", `{"nats":{"kv":${kv}}}`],
    ["nats_opa_bridge_root.json", root],
  ] as const;
  for (const [file, text] of files) await writeFile(join(folder, file), text);
  return files.map(([file]) => file);
}
