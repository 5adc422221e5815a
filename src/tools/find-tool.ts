import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BridgeError, quote } from "../errors.ts";

/** A program that tests, the demo or the build of bundles start; the bridge itself needs none of them. */
export type ToolName = "nats-server" | "opa";

/** What differs from tool to tool. */
export interface ToolInfo {
  /** The environment variable that names the program's file and overrides every other place. */
  readonly variable: string;
  /** The Go package that builds the program. */
  readonly goPackage: string;
  /** The version that is installed where none is found. */
  readonly version: string;
  /** The Debian package that holds the program, where there is one. */
  readonly debianPackage?: string;
}

/** The tools that can be looked for, by the program's name. */
export const TOOLS: Readonly<Record<ToolName, ToolInfo>> = {
  "nats-server": {
    variable: "NATS_SERVER_BIN",
    goPackage: "github.com/nats-io/nats-server/v2",
    version: "v2.15.2",
    debianPackage: "nats-server",
  },
  opa: {
    variable: "OPA_BIN",
    goPackage: "github.com/open-policy-agent/opa",
    version: "v1.22.0",
  },
};

/** Where a tool is looked for. */
export interface FindOptions {
  /** Environment with `PATH` and the tool's own variable; default `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Directory whose `.tools/bin` may hold the tool; default the root of this package. */
  root?: string;
}

/** The root of this package: the same distance from `src/tools` as from `dist/tools`. */
export const packageRoot: string = fileURLToPath(new URL("../..", import.meta.url));

// Debian installs servers here, and leaves the directories out of an ordinary user's PATH.
const SYSTEM_DIRECTORIES = process.platform === "win32" ? [] : ["/usr/local/sbin", "/usr/sbin"];

/** The file name of a program on this system. */
export function executableName(name: string): string {
  return process.platform === "win32" ? `${name}.exe` : name;
}

/** True when `file` is a file that this process may execute. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** The first executable of this name in the `PATH` of `env`, or `undefined`. */
export async function findOnPath(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
  more: readonly string[] = [],
): Promise<string | undefined> {
  const directories = (env["PATH"] ?? env["Path"] ?? "").split(delimiter).filter((d) => d !== "");
  for (const directory of [...directories, ...more]) {
    const file = join(directory, executableName(name));
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

/**
 * The path of a tool that is already there, or `undefined`: the file that the tool's environment variable
 * names, else one on `PATH`, else one in `.tools/bin`. Installs nothing.
 *
 * @throws BridgeError `TOOL_MISSING` when the variable is set to something that can't be executed: another
 * version than the one asked for would be a surprise, so nothing else is tried.
 */
export async function findTool(
  name: ToolName,
  options: FindOptions = {},
): Promise<string | undefined> {
  const { env = process.env, root = packageRoot } = options;
  const { variable } = TOOLS[name];
  const chosen = env[variable];
  if (chosen !== undefined && chosen !== "") {
    if (await isExecutable(chosen)) return chosen;
    throw new BridgeError(
      "TOOL_MISSING",
      `${variable} is ${quote(chosen)}, which is not an executable file; set it to the path of ${name} or unset it.`,
    );
  }
  const found = await findOnPath(name, env, SYSTEM_DIRECTORIES);
  if (found !== undefined) return found;
  const local = join(root, ".tools", "bin", executableName(name));
  return (await isExecutable(local)) ? local : undefined;
}
