import { setTimeout as delay } from "node:timers/promises";
import { within } from "../common/async.ts";
import { BridgeError, isBridgeError, quote } from "../errors.ts";
import type { BucketWatcherManager } from "./manager.ts";

/** Least revisions that a caller asks for, by bucket. */
export type LeastRevisions = ReadonlyMap<string, number>;

/** `REVISION_NOT_REACHED`, with the revisions of those demanded that are watched, as they were then. */
export class RevisionError extends BridgeError {
  readonly reached: ReadonlyMap<string, number>;

  constructor(message: string, reached: ReadonlyMap<string, number>, cause: unknown) {
    super("REVISION_NOT_REACHED", message, { cause });
    this.reached = reached;
  }
}

/** A revision can move on without a commit (the same value again, an answer of the server), so nothing tells when. */
const LOOK_AGAIN_MS = 5;

/**
 * Waits until every bucket named is watched, and whole up to its revision, at most `timeoutMs`. The answer ends the
 * pins that keep the buckets from being evicted before they are read.
 *
 * Rejects with `REVISION_NOT_REACHED`, which names the revisions reached, or `BRIDGE_STOPPING`.
 */
export async function awaitRevisions(
  manager: BucketWatcherManager,
  wanted: LeastRevisions,
  timeoutMs: number,
): Promise<() => void> {
  const deadline = performance.now() + timeoutMs;
  const pins = [...wanted.keys()].map((bucket) => manager.pin(bucket));
  const release = (): void => {
    for (const unpin of pins) unpin();
  };
  try {
    await Promise.all([...wanted.keys()].map((bucket) => reach(manager, bucket, wanted, deadline)));
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

async function reach(
  manager: BucketWatcherManager,
  bucket: string,
  wanted: LeastRevisions,
  deadline: number,
): Promise<void> {
  const least = wanted.get(bucket)!;
  const late = (reason?: unknown): BridgeError => {
    const reached = new Map<string, number>();
    for (const name of wanted.keys()) {
      const revision = manager.watcher(name)?.wholeRevision;
      if (revision !== undefined) reached.set(name, revision);
    }
    const revision = reached.get(bucket);
    const what = revision === undefined ? "is not watched" : `has reached revision ${revision}`;
    const why = isBridgeError(reason) ? ` (${reason.code})` : "";
    return new RevisionError(
      `Bucket ${quote(bucket)} ${what}${why}, and the request demands ${least}; try again later, or wait longer.`,
      reached,
      reason,
    );
  };
  try {
    const left = Math.max(0, deadline - performance.now());
    await within(left, manager.getOrCreateWatcher(bucket), () => late());
  } catch (error) {
    if (isBridgeError(error, "BRIDGE_STOPPING")) throw error;
    if (isBridgeError(error, "REVISION_NOT_REACHED")) throw error;
    throw late(error);
  }
  for (;;) {
    const watcher = manager.watcher(bucket);
    const reached = watcher?.wholeRevision;
    if (reached !== undefined && reached >= least) return;
    watcher?.proveWhole();
    if (performance.now() >= deadline) throw late();
    await delay(LOOK_AGAIN_MS);
  }
}
