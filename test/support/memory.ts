import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage, in a process that was started without `--expose-gc` too. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** Compiled code in bytes: V8 compiles what runs often, and forgets what doesn't, whoever runs it. */
export function codeBytes(): number {
  const code = getHeapSpaceStatistics().filter(({ space_name }) => space_name.startsWith("code_"));
  return code.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}

/** What is in use after a collection, in bytes: objects, and the memory of buffers, but no compiled code. */
export function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed - codeBytes() + arrayBuffers;
}
