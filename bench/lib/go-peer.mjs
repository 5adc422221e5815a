import { execFile } from "node:child_process";
import { access, mkdir } from "node:fs/promises";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

const execute = promisify(execFile);
const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
const TOOLS = fileURLToPath(new URL("../../.tools/peers/", import.meta.url));

/** The `go` command, undefined where there is none. */
export async function findGo() {
  for (const go of ["go", "/usr/local/go/bin/go"]) {
    try {
      await execute(go, ["version"]);
      return go;
    } catch {
      // The next place.
    }
  }
  return undefined;
}

/** Builds one of the programs in bench/peers; the answer is its file, undefined where Go is not there. */
export async function buildPeer(name) {
  const go = await findGo();
  if (go === undefined) return undefined;
  await mkdir(TOOLS, { recursive: true });
  const file = `${TOOLS}${name}`;
  await execute(go, ["build", "-o", file, "."], { cwd: `${PEERS}${name}`, timeout: 600_000 });
  await access(file);
  return file;
}

/** Runs a program; its standard output is one JSON value. */
export async function runPeer(file, args) {
  const { stdout } = await execute(file, args, { maxBuffer: 64 * 1024 * 1024, timeout: 600_000 });
  return JSON.parse(stdout);
}

/** Installs a Go program of somebody else's (`module/path@version`); the answer is its file, undefined without Go. */
export async function installPeer(program) {
  const go = await findGo();
  if (go === undefined) return undefined;
  await mkdir(TOOLS, { recursive: true });
  const env = { ...process.env, GOBIN: TOOLS };
  await execute(go, ["install", program], { env, timeout: 600_000 });
  return `${TOOLS}${program.replace(/@.*/, "").split("/").at(-1)}`;
}
