import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { CAPABILITIES_FILE, capabilitiesAreCurrent } from "./capabilities.mjs";
import { opa } from "./opa.mjs";

// `npm run bundles` compiles every policy of the repository to bundle.tar.gz; with --check it only says
// which of the committed bundles are not what their Rego compiles to. A policy is a directory with a
// bundle.json: {"entrypoints": ["package/rule", …], "revision": "…"}; with "print": true it keeps its prints.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PLACES = ["examples", "test/policies", "bench"];
const DESCRIPTION = "bundle.json";
const OUTPUT = "bundle.tar.gz";

/**
 * The directories with a policy, sorted.
 *
 * @returns {Promise<string[]>}
 */
async function findPolicies() {
  /** @type {string[]} */
  const found = [];
  for (const place of PLACES) {
    const entries = await readdir(join(ROOT, place), { recursive: true }).catch(() => []);
    for (const entry of entries) {
      if (basename(entry) === DESCRIPTION) found.push(join(ROOT, place, dirname(entry)));
    }
  }
  return found.toSorted();
}

/** What opa takes out of a policy's directory: Rego other than tests, data, and a manifest with roots. */
function isSource(file) {
  const name = basename(file);
  if (name.endsWith(".rego")) return !name.endsWith("_test.rego");
  return ["data.json", "data.yaml", "data.yml", ".manifest"].includes(name);
}

async function readDescription(directory) {
  const file = join(directory, DESCRIPTION);
  const { entrypoints, revision, print = false } = JSON.parse(await readFile(file, "utf8"));
  if (!Array.isArray(entrypoints) || entrypoints.length === 0 || typeof revision !== "string") {
    throw new Error(`${file} needs "entrypoints", a list of paths, and "revision", a text`);
  }
  return { entrypoints, revision, print };
}

/** Compiles a policy into `output`. */
async function compile(directory, output) {
  const { entrypoints, revision, print } = await readDescription(directory);
  // A copy of nothing but the sources: opa would take bundle.json for data and write this machine's
  // paths into the bundle.
  const staging = await mkdtemp(join(tmpdir(), "bundle-"));
  try {
    for (const file of await readdir(directory, { recursive: true })) {
      if (!isSource(file)) continue;
      await mkdir(dirname(join(staging, file)), { recursive: true });
      await copyFile(join(directory, file), join(staging, file));
    }
    const args = ["build", "-t", "wasm", "-b", ".", "-o", output, "-r", revision];
    args.push("--capabilities", fileURLToPath(CAPABILITIES_FILE));
    for (const entrypoint of entrypoints) args.push("-e", entrypoint);
    if (print) args.push("--wasm-include-print");
    await opa(args, staging);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** The files in a bundle, by name; `undefined` when there is no such archive. */
async function readArchive(file) {
  let bytes;
  try {
    bytes = gunzipSync(await readFile(file));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
  const entries = new Map();
  const archive = extract();
  archive.end(bytes);
  for await (const entry of archive) {
    const chunks = [];
    for await (const chunk of entry) chunks.push(chunk);
    entries.set(entry.header.name, Buffer.concat(chunks));
  }
  return entries;
}

/** The names of the entries that differ; the archives' own times and order don't count. */
async function differences(committed, compiled) {
  const [old, fresh] = [await readArchive(committed), await readArchive(compiled)];
  if (old === undefined) return ["the bundle is missing"];
  const names = new Set([...old.keys(), ...fresh.keys()]);
  return [...names].filter((name) => {
    const [a, b] = [old.get(name), fresh.get(name)];
    return a === undefined || b === undefined || !a.equals(b);
  });
}

async function main(check) {
  let stale = 0;
  if (!(await capabilitiesAreCurrent())) {
    console.error("capabilities.json is stale; run: npm run capabilities");
    if (check) stale++;
    else return 1;
  }
  const policies = await findPolicies();
  const scratch = await mkdtemp(join(ROOT, ".bundles-"));
  try {
    for (const [index, directory] of policies.entries()) {
      const output = join(directory, OUTPUT);
      const compiled = join(scratch, `${index}.tar.gz`);
      await compile(directory, compiled);
      const different = await differences(output, compiled);
      const name = relative(ROOT, output);
      if (different.length === 0) {
        console.log(`${name}: current`);
      } else if (check) {
        stale++;
        console.error(`${name}: stale (${different.join(", ")}); run: npm run bundles`);
      } else {
        await rename(compiled, output);
        console.log(`${name}: written`);
      }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return stale === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.includes("--check"));
} catch (error) {
  console.error(`${error.message}${error.stderr ? `\n${error.stderr}` : ""}`);
  process.exitCode = 1;
}
