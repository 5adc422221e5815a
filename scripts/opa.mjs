import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { TOOLS } from "../dist/tools/find-tool.js";
import { provideTool } from "../dist/tools/provide-tool.js";

// Shared by the scripts that start opa. They use the built package's finder, so `npm run build` comes first.

const execute = promisify(execFile);

/**
 * Runs opa and returns its standard output.
 *
 * @param {readonly string[]} args
 * @param {string} [cwd]
 * @returns {Promise<string>}
 */
export async function opa(args, cwd) {
  const file = await pinnedOpa();
  const { stdout } = await execute(file, args, { cwd, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

let file;

// Another version compiles the same Rego to other bytes and lists other builtins: everybody's bundles
// would differ from everybody else's.
async function pinnedOpa() {
  if (file !== undefined) return file;
  const found = await provideTool("opa");
  const { stdout } = await execute(found, ["version"]);
  const version = /^Version:\s*(\S+)/m.exec(stdout)?.[1];
  if (`v${version}` !== TOOLS.opa.version) {
    throw new Error(
      `${found} is opa ${version}; bundles and capabilities are made with ${TOOLS.opa.version}. ` +
        `Set OPA_BIN to that version, which "go install ${TOOLS.opa.goPackage}@${TOOLS.opa.version}" provides.`,
    );
  }
  file = found;
  return found;
}
