import type { Logger } from "./common/logger.ts";
import { isBridgeError, messageOf } from "./errors.ts";
import type { BucketDemand } from "./policy/bucket-demand.ts";
import type { BucketWatcherManager } from "./watch/manager.ts";

/** What policies ask for, from what is watched. */
export function demandOn(manager: BucketWatcherManager, logger: Logger): BucketDemand {
  return {
    isWatched: (bucket) => manager.use(bucket),
    load: async (bucket) => void (await manager.getOrCreateWatcher(bucket)),
    pin: (bucket) => manager.pin(bucket),
    recentFailure: (bucket) => manager.recentFailure(bucket),
    watch(bucket) {
      manager.getOrCreateWatcher(bucket).catch((error: unknown) => {
        const code = isBridgeError(error) ? error.code : "?";
        logger.debug(
          { code },
          `a bucket that a policy asked for is not watched: ${messageOf(error)}`,
        );
      });
    },
    unavailable() {
      for (const { bucket, state, onStale } of manager.status().buckets) {
        if (state === "hidden" && onStale === "unavailable") return manager.recentFailure(bucket);
      }
      return undefined;
    },
    state(bucket) {
      const watcher = manager.held(bucket);
      if (watcher === undefined) return { state: "unwatched" };
      const { state, revision, ageMs, stale, onStale } = watcher.status();
      const flagged = stale && onStale !== "serve";
      return {
        state: flagged ? "stale" : state === "recovering" ? "recovering" : "live",
        ...(revision !== undefined && { revision }),
        ...(ageMs !== undefined && { ageMs }),
      };
    },
  };
}
