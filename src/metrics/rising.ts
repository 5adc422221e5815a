import type { BucketWatcherStatus } from "../watch/watcher-status.ts";

type Counts = BucketWatcherStatus["repairs"];

/** Sums of what watchers have counted, which don't go back when a watcher ends and its counts with it. */
export class Rising {
  readonly #totals: Record<string, number> = {};
  #last = new Map<string, Counts>();

  read(
    buckets: readonly Pick<BucketWatcherStatus, "bucket" | "repairs">[],
  ): Record<string, number> {
    const last = this.#last;
    this.#last = new Map();
    for (const { bucket, repairs } of buckets) {
      const before: Readonly<Record<string, number>> = last.get(bucket) ?? {};
      for (const [cause, count] of Object.entries(repairs)) {
        const known = before[cause] ?? 0;
        // Fewer than before: another watcher counts from zero.
        this.#totals[cause] = (this.#totals[cause] ?? 0) + (count >= known ? count - known : count);
      }
      this.#last.set(bucket, repairs);
    }
    return this.#totals;
  }
}
