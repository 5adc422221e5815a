import { spawn } from "node:child_process";
import { endAtExit } from "../support/exit.ts";

/** How a program ended, and all that it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The environment without what `npm run` adds to it, which would reach the npm that a test starts. */
export function plainEnv(): NodeJS.ProcessEnv {
  const isNpms = /^npm_(config_loglevel|lifecycle_|package_|command$|execpath$|node_execpath$)/i;
  const entries = Object.entries(process.env).filter(([name]) => !isNpms.test(name));
  return { ...Object.fromEntries(entries), npm_config_loglevel: "warn" };
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...plainEnv(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  endAtExit.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      endAtExit.delete(child);
      resolve({ code, stdout, stderr });
    });
  });
}

/** As {@link run}, for a program that must not fail; answers with what it wrote to standard output. */
export async function must(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) {
    const command = [program, ...args].join(" ");
    throw new Error(`${command} ended with ${code}:\n${stdout}\n${stderr}`);
  }
  return stdout;
}
