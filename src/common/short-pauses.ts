import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's young generation as small as it starts (1 MiB a half). By default it grows up to 16 MiB while a
 * bucket loads, as nearly everything that a load makes stays; copying that stops the process for up to 50 ms at a
 * time. With a small one the pauses are about a millisecond, many more, and no longer in sum.
 *
 * On one or two cores V8's helpers are left out as well: the event loop would wait for them, and they for a core
 * that somebody else has, for 5 ms and more at a time.
 *
 * What has grown stays, so it is called before much else is loaded; `node --max-semi-space-size=1` is as good, with
 * `--single-threaded-gc` on one or two cores.
 *
 * It concerns the whole process, so the service does it and the library leaves it to those who embed it.
 */
export function shortenPauses(cores: number = availableParallelism()): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  if (cores > 2) return;
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--no-concurrent-array-buffer-sweeping");
  setFlagsFromString("--no-concurrent-marking");
}
