import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";

/** Processes that are ended with this one, however it ends. */
export const endAtExit: Set<ChildProcess> = new Set<ChildProcess>();

/** Directories that are removed when this process ends. */
export const removeAtExit: Set<string> = new Set<string>();

function cleanUp(): void {
  for (const child of endAtExit) child.kill("SIGKILL");
  for (const directory of removeAtExit) rmSync(directory, { recursive: true, force: true });
}

process.once("exit", cleanUp);

function end(signal: "SIGTERM" | "SIGHUP"): void {
  cleanUp();
  // The test runner puts off signals, and replaces process.exit: the tests would go on and start more.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

// Ended by a signal, a process has no "exit" event; nor has a worker whose runner was killed.
process.once("SIGTERM", end);
process.once("SIGHUP", end);
process.once("disconnect", () => {
  end("SIGTERM");
});
