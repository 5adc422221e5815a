import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BridgeError, messageOf } from "../errors.ts";
import {
  executableName,
  findOnPath,
  findTool,
  isExecutable,
  packageRoot,
  TOOLS,
  type FindOptions,
  type ToolName,
} from "./find-tool.ts";
import { runProgram } from "./run-program.ts";

/** Settings of {@link provideTool}. */
export interface ProvideOptions extends FindOptions {
  /** Gets one line per step of an installation; default standard error. */
  log?: (line: string) => void;
}

/** The oldest version of nats-server that the tests run against: the one in Debian 12. */
export const OLDEST_NATS_VERSION = "2.9.10";

type Installer = (target: string, scratch: string) => Promise<void>;

const toStderr = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/**
 * The path of a tool, installed into `.tools/bin` where {@link findTool} finds none: compiled by Go, else
 * taken out of Debian's package. Needs no administrator's rights, and changes nothing outside `.tools`
 * except for the caches of Go and apt. Safe to call at the same time from several processes.
 *
 * @throws BridgeError `TOOL_MISSING` when it can't be had; the message has the one command that installs it.
 */
export async function provideTool(name: ToolName, options: ProvideOptions = {}): Promise<string> {
  const found = await findTool(name, options);
  if (found !== undefined) return found;
  const { env = process.env, root = packageRoot, log = toStderr } = options;
  const { version } = TOOLS[name];
  const target = join(root, ".tools", "bin", executableName(name));
  const installers: Installer[] = [await goInstaller(name, version, env, log)];
  if (name === "nats-server") installers.push(debianInstaller(env, log));
  return installOnce(target, async () => {
    await install(name, target, root, installers, log);
    return target;
  });
}

/**
 * The path of nats-server {@link OLDEST_NATS_VERSION} in `.tools/nats-server-2.9.10`, installed at need.
 *
 * @throws BridgeError `TOOL_MISSING` when neither apt nor Go can provide it.
 */
export async function provideOldestNats(options: ProvideOptions = {}): Promise<string> {
  const { env = process.env, root = packageRoot, log = toStderr } = options;
  const name = "nats-server";
  const directory = `${name}-${OLDEST_NATS_VERSION}`;
  const target = join(root, ".tools", directory, executableName(name));
  if (await isExecutable(target)) return target;
  const debian = debianInstaller(env, log);
  const checked: Installer = async (file, scratch) => {
    await debian(file, scratch);
    // Debian's later releases have later servers.
    const answer = await runProgram(file, ["--version"], { env });
    if (!answer.includes(`v${OLDEST_NATS_VERSION}`)) {
      throw new BridgeError("TOOL_FAILED", `apt has another version: ${answer.trim()}`);
    }
  };
  const go = await goInstaller(name, `v${OLDEST_NATS_VERSION}`, env, log);
  return installOnce(target, async () => {
    await install(name, target, root, [checked, go], log);
    return target;
  });
}

// Callers of the same process share one installation; processes race, and any of them may win the rename.
const running = new Map<string, Promise<string>>();

function installOnce(target: string, work: () => Promise<string>): Promise<string> {
  const other = running.get(target);
  if (other !== undefined) return other;
  const mine = work().finally(() => running.delete(target));
  running.set(target, mine);
  return mine;
}

async function install(
  name: ToolName,
  target: string,
  root: string,
  installers: readonly Installer[],
  log: (line: string) => void,
): Promise<void> {
  const problems: string[] = [];
  for (const installer of installers) {
    let scratch: string | undefined;
    try {
      await mkdir(dirname(target), { recursive: true });
      // Inside .tools, so that the rename stays within one file system and is atomic.
      scratch = await mkdtemp(join(root, ".tools", "install-"));
      const file = join(scratch, executableName(name));
      await installer(file, scratch);
      await rename(file, target);
      log(`${name}: installed in ${target}`);
      return;
    } catch (error) {
      // On Windows a file in use can't be replaced: then another process has just put it there.
      if (await isExecutable(target)) return;
      problems.push(messageOf(error));
      log(`${name}: ${messageOf(error)}`);
    } finally {
      if (scratch !== undefined) await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
    }
  }
  throw new BridgeError(
    "TOOL_MISSING",
    `${name} is neither on PATH nor in .tools/bin, and could not be installed (${problems.join("; ")}). ` +
      `Install it with: ${installCommand(name)}`,
  );
}

/** The one command with which a person installs the tool on a system. */
export function installCommand(
  name: ToolName,
  platform: NodeJS.Platform = process.platform,
  debian: boolean = platform === "linux",
): string {
  const { goPackage, version, debianPackage } = TOOLS[name];
  if (platform === "darwin") return `brew install ${name}`;
  if (platform === "win32") return `scoop install ${name}`;
  if (debian && debianPackage !== undefined) return `sudo apt-get install ${debianPackage}`;
  return `go install ${goPackage}@${version}`;
}

async function goInstaller(
  name: ToolName,
  version: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
): Promise<Installer> {
  const go = await findOnPath("go", env, process.platform === "win32" ? [] : ["/usr/local/go/bin"]);
  return async (target, scratch) => {
    if (go === undefined)
      throw new BridgeError("TOOL_MISSING", "there is no Go to compile it with");
    const source = `${TOOLS[name].goPackage}@${version}`;
    log(`${name}: compiling ${source}; this takes some minutes the first time`);
    await runProgram(go, ["install", source], {
      // Without cgo no C compiler is needed.
      env: { ...env, GOBIN: dirname(target), CGO_ENABLED: "0" },
      cwd: scratch,
    });
  };
}

function debianInstaller(env: NodeJS.ProcessEnv, log: (line: string) => void): Installer {
  return async (target, scratch) => {
    const apt = await findOnPath("apt-get", env);
    const dpkg = await findOnPath("dpkg-deb", env);
    if (apt === undefined || dpkg === undefined) {
      throw new BridgeError("TOOL_MISSING", "there is no apt-get to fetch it with");
    }
    log("nats-server: taking it out of Debian's package");
    const download = (): Promise<string> =>
      runProgram(apt, ["download", "nats-server"], { cwd: scratch, env });
    try {
      await download();
    } catch (error) {
      // A fresh container has no package lists; only root may fetch them.
      if (process.getuid?.() !== 0) throw error;
      log("nats-server: fetching the package lists");
      await runProgram(apt, ["update"], { cwd: scratch, env });
      await download();
    }
    const archive = (await readdir(scratch)).find((file) => file.endsWith(".deb"));
    if (archive === undefined)
      throw new BridgeError("TOOL_FAILED", "apt-get wrote no package file");
    const unpacked = join(scratch, "package");
    await runProgram(dpkg, ["-x", join(scratch, archive), unpacked], { env });
    const program = await findOnPath("nats-server", {}, [
      join(unpacked, "usr", "sbin"),
      join(unpacked, "usr", "bin"),
    ]);
    if (program === undefined) {
      throw new BridgeError("TOOL_FAILED", `${archive} has no program nats-server`);
    }
    await rename(program, target);
    await chmod(target, 0o755);
  };
}
