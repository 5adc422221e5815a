import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** Starts a server; `dataDir` keeps its data, otherwise it lives in a temporary directory. */
export async function startNats(dataDir?: string): Promise<NatsProcess> {
  const binary = await provideTool("nats-server");
  const scratch = await mkdtemp(join(tmpdir(), "nats-opa-bridge-"));
  const store = dataDir ?? join(scratch, "data");
  await mkdir(store, { recursive: true });
  const child = spawn(
    binary,
    ["-js", "-a", "127.0.0.1", "-p", "-1", "-sd", store, "--ports_file_dir", scratch],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(-2_000)));
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= end(child, scratch));
  try {
    return { url: await urlOf(child, scratch), stop };
  } catch (error) {
    await stop();
    throw new BridgeError(
      "TOOL_FAILED",
      `${quote(binary)} did not start (${messageOf(error)}): ${log.trim().split("\n").at(-1) ?? ""}`,
      { cause: error },
    );
  }
}

/** The server writes the addresses that it listens on into a file once it does. */
async function urlOf(child: ChildProcess, scratch: string): Promise<string> {
  const failed = once(child, "error").then(([error]) => {
    throw error as Error;
  });
  failed.catch(() => undefined);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && performance.now() < deadline) {
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

async function end(child: ChildProcess, scratch: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await exit;
    clearTimeout(timer);
  }
  await rm(scratch, { recursive: true, force: true });
}
