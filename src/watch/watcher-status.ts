import type { BucketFigures } from "../store/bucket-document.ts";
import type { RepairCause } from "./listen.ts";
import type { StaleAction } from "./staleness.ts";

/**
 * - `loading`: the first load is under way; policies see nothing of the bucket.
 * - `live`: policies see the bucket as NATS delivers it.
 * - `recovering`: the stream had a gap; the data from before it serves until a fresh snapshot is in.
 * - `hidden`: the copy was over its staleness budget, so it is out of sight until a fresh snapshot is in.
 * - `stopped`, `failed`: over; the bucket's data is out of sight, or about to be.
 */
export type WatcherState =
  "idle" | "loading" | "live" | "recovering" | "hidden" | "stopped" | "failed";

/** What a watcher knows of its bucket. The figures of the data are there while policies see it. */
export interface BucketWatcherStatus extends Partial<BucketFigures> {
  /** Its name. */
  readonly bucket: string;
  /** What its watcher is doing. */
  readonly state: WatcherState;
  /** The identity of the bucket's stream; absent before the first load. */
  readonly incarnation?: string;
  /** How long ago the data was last known to be all that the bucket has, in milliseconds. */
  readonly ageMs?: number;
  /** Whether the data is older than its budget. */
  readonly stale: boolean;
  /** What happens then; absent where there is no budget. */
  readonly onStale?: StaleAction;
  /** For how long no stream has come to be followed, one attempt after the other, in milliseconds. */
  readonly failingMs?: number;
  /** How long the last load took, in milliseconds. */
  readonly loadMs?: number;
  /** How many times the bucket was loaded again after a gap. */
  readonly reloads: number;
  /** The same by what had happened. */
  readonly repairs: Readonly<Partial<Record<RepairCause, number>>>;
  /** How many differences such reloads have found. */
  readonly repaired: number;
  /** How long ago the copy was last proved to be all that the bucket has, in milliseconds. */
  readonly provedMs?: number;
  /** Why the last audit could not be made. */
  readonly doubt?: string;
  /** Why the stream has ended, or could not be opened, the last time. */
  readonly lastError?: string;
}

/** What a status is made of; what is undefined is left out. */
export interface StatusFacts {
  readonly bucket: string;
  readonly state: WatcherState;
  readonly figures: BucketFigures | undefined;
  readonly stale: boolean;
  readonly onStale: StaleAction | undefined;
  readonly ageMs: number | undefined;
  readonly failingMs: number | undefined;
  readonly loadMs: number | undefined;
  readonly provedMs: number | undefined;
  readonly repairs: ReadonlyMap<RepairCause, number>;
  readonly repaired: number;
  readonly incarnation: string | undefined;
  readonly doubt: string | undefined;
  readonly lastError: string | undefined;
}

/** A status with its times rounded. */
export function watcherStatus(facts: StatusFacts): BucketWatcherStatus {
  const { figures, repairs, ageMs, failingMs, loadMs, provedMs, ...rest } = facts;
  const times = Object.entries({ ageMs, failingMs, loadMs, provedMs })
    .filter(([, ms]) => ms !== undefined)
    .map(([name, ms]) => [name, Math.round(ms!)] as const);
  const given = Object.entries({ ...figures, ...rest }).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries([...given, ...times]) as Omit<
      BucketWatcherStatus,
      "reloads" | "repairs"
    >),
    reloads: [...repairs.values()].reduce((sum, count) => sum + count, 0),
    repairs: Object.fromEntries(repairs),
  };
}
