import { setTimeout } from "node:timers/promises";
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

/** As {@link usedBytes}, once several collections in a row have freed nothing more: what only waits to be finalized is gone. */
export async function steadyBytes(): Promise<number> {
  let least = usedBytes();
  for (let same = 0, rounds = 0; same < 3 && rounds < 50; rounds++) {
    await setTimeout(10);
    const now = usedBytes();
    same = now < least - STEADY_BYTES ? 0 : same + 1;
    least = Math.min(least, now);
  }
  return least;
}

const STEADY_BYTES = 16 * 1024;

/** What is in use after a collection, in bytes: objects, and the memory of buffers, but no compiled code. */
export function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed - codeBytes() + arrayBuffers;
}
