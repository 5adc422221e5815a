import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's young generation as small as it starts (1 MiB a half). By default it grows up to 16 MiB while a
 * bucket loads, as nearly everything that a load makes stays; copying that stops the process for up to 50 ms at a
 * time. With a small one the pauses are about a millisecond, many more, and no longer in sum.
 *
 * What has grown stays, so it is called before much else is loaded; `node --max-semi-space-size=1` is as good.
 *
 * It concerns the whole process, so the service does it and the library leaves it to those who embed it.
 */
export function shortenPauses(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
