import { isBridgeError } from "../errors.ts";
import type { BucketSource } from "../nats/bucket-source.ts";
import { type Clock, sleep } from "./clock.ts";
import { pause } from "./pause.ts";
import { isUnanswered } from "./stream-end.ts";

/** A bucket that nobody answers for is asked for this often; up to half of it is left out, by chance. */
const PROBE_MS = 1_000;

/**
 * The wait of a bucket that nobody has answered for: ends soon after somebody does again, with whatever answer, or
 * when a connection comes back (see {@link pause}). One small question in each second is all that a cluster which
 * elects leaders has to bear of each bucket. The answer is whether a connection came back.
 */
export async function answered(
  source: BucketSource,
  bucket: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  void (async () => {
    do {
      await sleep(clock, PROBE_MS * (0.5 + clock.random() / 2), over.signal);
    } while (!over.signal.aborted && !(await answers(source, bucket)));
    end();
  })();
  const reconnected = await pause(source, clock, Infinity, over.signal);
  end();
  signal.removeEventListener("abort", end);
  return reconnected;
}

async function answers(source: BucketSource, bucket: string): Promise<boolean> {
  try {
    await source.describe(bucket);
    return true;
  } catch (error) {
    if (!isBridgeError(error)) return true;
    return !isUnanswered(error) && error.code !== "NATS_UNREACHABLE";
  }
}
