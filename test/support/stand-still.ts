import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PATIENCE_MS = 5_000;

/** Stops a process with SIGSTOP, and returns when it stands still: its threads go on for a moment after the signal. */
export function standStill(pid: number): void {
  process.kill(pid, "SIGSTOP");
  const deadline = performance.now() + PATIENCE_MS;
  while (!isStopped(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} goes on after SIGSTOP`);
  }
}

/** Whether each thread of the process is stopped. True where the system has no /proc to tell. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every((task) => {
    const stat = readFileSync(join(tasks, task, "stat"), "utf8");
    // The state follows the command's name, which stands in brackets and may itself hold any.
    return stat.charAt(stat.lastIndexOf(")") + 2) === "T";
  });
}
