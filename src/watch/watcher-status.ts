import type { BucketFigures } from "../store/bucket-document.ts";

/**
 * - `loading`: the first load is under way; policies see nothing of the bucket.
 * - `live`: policies see the bucket as NATS delivers it.
 * - `recovering`: the stream had a gap; the data from before it serves until a fresh snapshot is in.
 * - `stopped`, `failed`: over; the bucket's data is out of sight, or about to be.
 */
export type WatcherState = "idle" | "loading" | "live" | "recovering" | "stopped" | "failed";

export interface BucketWatcherStatus extends Partial<BucketFigures> {
  readonly bucket: string;
  readonly state: WatcherState;
  readonly incarnation?: string;
  /** How long ago the data was last known to be all that the bucket has, in milliseconds. */
  readonly ageMs?: number;
  /** How long the last load took, in milliseconds. */
  readonly loadMs?: number;
  /** How many times the bucket was loaded again after a gap. */
  readonly reloads: number;
  /** How many differences such reloads have found. */
  readonly repaired: number;
  readonly lastError?: string;
}
