import type { BridgeError } from "../errors.ts";
import type {
  BucketEntry,
  BucketInfo,
  BucketRun,
  BucketSink,
  BucketSource,
  GapCause,
  OpenOptions,
} from "../nats/bucket-source.ts";
import type { Clock } from "./clock.ts";
import { followError } from "./stream-end.ts";

/** Hears one stream of a bucket. What it throws ends the stream. */
export interface Listener {
  opened(info: BucketInfo): void;
  /** `live`: not of the snapshot, but after it. */
  entry(entry: BucketEntry, live: boolean): void;
  loaded(revision: number, ageMs: number): void;
  whole(revision: number): void;
  current(revision: number): void;
}

/** How a stream came to its end. */
export interface StreamEnd {
  readonly reason: BridgeError;
  readonly cause: RepairCause | undefined;
  /** For how long it had gone on after its snapshot, in milliseconds; undefined when that was never complete. */
  readonly followedMs: number | undefined;
}

/** A stream that is listened to, until it ends by itself or is ended. */
export interface Listening {
  /** Never rejects. */
  readonly ended: Promise<StreamEnd>;
  end(reason: BridgeError, cause?: RepairCause): void;
  /** As a stream's own. */
  prove(): void;
}

/**
 * Why a bucket is loaded again: its stream had a gap, or what was heard differs from what the server has:
 * - `vanished`: keys are gone without a marker (a purge, an expiry, an eviction, a message that was deleted).
 * - `missing`: keys, or newer values, or delete markers have never come.
 * - `stalled`: the stream does not come to where the bucket is.
 * - `settings`: the bucket's own expiry was changed.
 * - `error`: the stream ended with an error.
 */
export type RepairCause = GapCause | "vanished" | "missing" | "stalled" | "settings" | "error";

/** Opens a stream. Once it is over the listener hears nothing more, whatever the source does. */
export function listen(
  source: BucketSource,
  bucket: string,
  clock: Clock,
  listener: Listener,
  options?: OpenOptions,
): Listening {
  let resolve!: (end: StreamEnd) => void;
  const ended = new Promise<StreamEnd>((onResolve) => {
    resolve = onResolve;
  });
  let run: BucketRun | undefined;
  let loadedAt: number | undefined;
  let over = false;
  const end = (reason: BridgeError, cause?: RepairCause): void => {
    if (over) return;
    over = true;
    run?.stop();
    resolve({
      reason,
      cause,
      followedMs: loadedAt === undefined ? undefined : clock.now() - loadedAt,
    });
  };
  const heard =
    <Args extends unknown[]>(step: (...args: Args) => void) =>
    (...args: Args): void => {
      if (over) return;
      try {
        step(...args);
      } catch (error) {
        end(followError(bucket, error));
      }
    };
  const sink: BucketSink = {
    opened: heard((info) => listener.opened(info)),
    entry: heard((entry) => listener.entry(entry, loadedAt !== undefined)),
    loaded: heard((revision, ageMs = 0) => {
      loadedAt = clock.now();
      listener.loaded(revision, ageMs);
    }),
    whole: heard((revision) => listener.whole(revision)),
    current: heard((revision) => listener.current(revision)),
    ended: end,
  };
  heard(() => {
    const opened = source.open(bucket, sink, options);
    run = opened;
    // A source may end the stream before it has handed it over.
    if (over) opened.stop();
  })();
  return { ended, end, prove: () => run?.prove() };
}
