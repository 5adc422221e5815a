import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, constants, setPriority } from "node:os";

/**
 * Gives the event loop a core of its own, and the others to V8's helpers and to the servers that this process has
 * started, which give way to the helpers: as if they were on other machines. Without it, what is measured on a machine
 * of few cores are the kernel's time slices, 4 ms and more each: the event loop's, and those of helpers that V8 waits
 * for in each collection. False where that can't be done.
 */
export function takeOwnCore() {
  const cores = availableParallelism();
  if (process.platform !== "linux" || cores < 2) return false;
  const { pid } = process;
  const others = cores === 2 ? "1" : `1-${cores - 1}`;
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").match(/\d+/g) ?? [];
    for (const child of children) {
      pin(others, "-a", child);
      for (const thread of readdirSync(`/proc/${child}/task`)) {
        setPriority(Number(thread), constants.priority.PRIORITY_LOW);
      }
    }
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      pin(Number(thread) === pid ? "0" : others, thread);
    }
    return true;
  } catch {
    return false;
  }
}

function pin(cores, ...target) {
  execFileSync("taskset", ["-c", "-p", ...target.slice(0, -1), cores, target.at(-1)], {
    stdio: "ignore",
  });
}
