import type { BucketSource } from "../nats/bucket-source.ts";
import { type Clock, sleep } from "./clock.ts";
import { RECONNECT_COOLDOWN_MS } from "./retry.ts";

/**
 * The wait before a bucket's next stream. A connection that comes back ends it, except for the cooldown: what the
 * streams before have failed of is over. The answer is whether one came back.
 */
export async function pause(
  source: BucketSource,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const from = clock.now();
  const wake = new AbortController();
  const end = (): void => wake.abort();
  let cancel = (): void => undefined;
  let reconnected = false;
  const unlisten = source.onReconnect(() => {
    reconnected = true;
    cancel();
    cancel = clock.after(Math.max(0, from + RECONNECT_COOLDOWN_MS - clock.now()), end);
  });
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  await sleep(clock, ms, wake.signal);
  cancel();
  unlisten();
  signal.removeEventListener("abort", end);
  return reconnected;
}
