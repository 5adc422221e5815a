import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { endAtExit } from "../../support/exit.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAIN = join(ROOT, "dist/cli/main.js");

async function newest(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const times = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).mtimeMs);
  return Math.max(...(await Promise.all(times)));
}

async function isStale(): Promise<boolean> {
  const built = await stat(MAIN).catch(() => undefined);
  return built === undefined || built.mtimeMs < (await newest(join(ROOT, "src")));
}

/** Builds dist where it is older than src; test files that run at the same time build once. */
export async function build(): Promise<void> {
  const lock = join(ROOT, "node_modules/.build-lock");
  while (await isStale()) {
    try {
      await mkdir(lock);
    } catch {
      await delay(100);
      continue;
    }
    try {
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const args = [tsc, "-p", "tsconfig.build.json"];
      await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    } finally {
      await rm(lock, { recursive: true, force: true });
    }
  }
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program, running. */
export interface Run {
  readonly child: ChildProcess;
  /** All that it has written so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Resolves with the first match in what it writes; rejects when it ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  readonly exit: Promise<Exit>;
}

interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly main?: string;
  /** What the program reads; default: nothing at all. */
  readonly stdin?: string | undefined;
}

/** Starts `nats-opa-bridge`. */
export function run(
  args: readonly string[],
  { env = {}, cwd, main = MAIN, stdin }: RunOptions = {},
): Run {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: cwd ?? ROOT,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(stdin);
  endAtExit.add(child);
  let stdout = "";
  let stderr = "";
  let ended = false;
  const waiting = new Set<() => void>();
  const tell = (): void => waiting.forEach((look) => look());
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    tell();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    tell();
  });
  const exit = new Promise<Exit>((resolve) => {
    child.once("close", (code, signal) => {
      endAtExit.delete(child);
      ended = true;
      tell();
      resolve({ code, signal, stdout, stderr });
    });
  });
  return {
    child,
    exit,
    output: () => ({ stdout, stderr }),
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout) ?? pattern.exec(stderr);
          if (match === null && !ended) return;
          waiting.delete(look);
          if (match !== null) resolve(match);
          else reject(new Error(`it ended without ${pattern}:\n${stdout}\n${stderr}`));
        };
        waiting.add(look);
        look();
      }),
  };
}

/** A new directory, removed when it goes out of use. */
export async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "cli-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Whether a process is there and is no zombie. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The ids of a process's children; none when it has ended. */
export async function childrenOf(pid: number): Promise<number[]> {
  // Linux has a file for each thread's children; asking ps costs a process.
  const file = `/proc/${pid}/task/${pid}/children`;
  const listed = await readFile(file, "utf8").catch(() => undefined);
  if (listed !== undefined) return listed.trim().split(" ").filter(Boolean).map(Number);
  if (!isRunning(pid)) return [];
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([id]) => id!);
}

/** Where the service says that it answers. */
export async function urlOf(service: Run): Promise<string> {
  const [, url] = await service.until(/"url":"(http:[^"]+)"/);
  return url!;
}
