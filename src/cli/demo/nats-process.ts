import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { provideTool } from "../../tools/provide-tool.ts";

const START_TIMEOUT_MS = 20_000;

/** A nats-server with JetStream, on a free port of the loopback interface. */
export interface NatsProcess {
  readonly url: string;
  /** Stops it, and removes its data unless a directory was given. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a server; `dataDir` keeps its data, otherwise it lives in a temporary directory. When the signal aborts
 * before the server has started, it is stopped again, and the promise rejects with the signal's reason.
 */
export async function startNats(
  dataDir: string | undefined,
  signal: AbortSignal,
): Promise<NatsProcess> {
  const binary = await provideTool("nats-server");
  signal.throwIfAborted();
  const scratch = await mkdtemp(join(tmpdir(), "nats-opa-bridge-"));
  const store = resolve(dataDir ?? join(scratch, "data"));
  let child: ChildProcess | undefined;
  // However this process ends, the server does not outlive it, and nothing of it stays.
  const atExit = (): void => {
    child?.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
  };
  process.once("exit", atExit);
  let log = "";
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= end(child, scratch).finally(() => process.off("exit", atExit)));
  try {
    await mkdir(store, { recursive: true });
    child = spawn(
      binary,
      ["-js", "-a", "127.0.0.1", "-p", "-1", "-sd", store, "--ports_file_dir", scratch],
      // In a group of its own: Ctrl-C at a terminal is for us, who stop it when its clients are done.
      { stdio: ["ignore", "ignore", "pipe"], detached: process.platform !== "win32" },
    );
    child.stderr!.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(-2_000)));
    return { url: await urlOf(child, scratch, signal), stop };
  } catch (error) {
    await stop();
    signal.throwIfAborted();
    const last = log.trim().split("\n").at(-1) ?? "";
    throw new BridgeError(
      "TOOL_FAILED",
      `${quote(binary)} did not start (${messageOf(error)}): ${last}; check the program, and the data directory ${quote(store)}.`,
      { cause: error },
    );
  }
}

/** The server writes the addresses that it listens on into a file once it does. */
async function urlOf(child: ChildProcess, scratch: string, signal: AbortSignal): Promise<string> {
  const failed = once(child, "error").then(([error]) => {
    throw error as Error;
  });
  failed.catch(() => undefined);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && performance.now() < deadline) {
    signal.throwIfAborted();
    const file = join(scratch, `nats-server_${child.pid}.ports`);
    try {
      const { nats } = JSON.parse(await readFile(file, "utf8")) as { nats: string[] };
      return nats[0]!;
    } catch {
      await Promise.race([delay(25), failed]);
    }
  }
  throw new Error(child.exitCode === null ? "timeout" : `exit code ${child.exitCode}`);
}

async function end(child: ChildProcess | undefined, scratch: string): Promise<void> {
  if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await exit;
    clearTimeout(timer);
  }
  await rm(scratch, { recursive: true, force: true });
}
