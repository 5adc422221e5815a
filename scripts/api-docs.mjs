import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// `npm run docs:api` writes docs/api from the comments in src; this says whether what is committed there is what it
// would write, and which exported names have no comment.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COMMITTED = join(ROOT, "docs/api");

/** The files below a directory, by their path from there; none where there is no directory. */
async function filesIn(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const files = entries.filter((entry) => entry.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    const file = join(parentPath, name);
    return [relative(directory, file), await readFile(file, "utf8")];
  });
  return new Map(await Promise.all(read));
}

async function main() {
  const generated = await mkdtemp(join(tmpdir(), "api-docs-"));
  try {
    const typedoc = join(ROOT, "node_modules/typedoc/bin/typedoc");
    const args = [typedoc, "--out", generated, "--logLevel", "Warn"];
    await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    const [fresh, committed] = [await filesIn(generated), await filesIn(COMMITTED)];
    const names = new Set([...fresh.keys(), ...committed.keys()]);
    /** @type {string[]} */
    const stale = [...names].filter((name) => fresh.get(name) !== committed.get(name));
    for (const name of stale.toSorted()) {
      console.error(`docs/api/${name}: stale; run: npm run docs:api`);
    }
    if (stale.length === 0) console.log(`docs/api: current (${fresh.size} files)`);
    return stale.length === 0 && fresh.size > 0 ? 0 : 1;
  } finally {
    await rm(generated, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.stderr || error.stdout || error.message);
  process.exitCode = 1;
}
