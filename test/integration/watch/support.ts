import { bucketsOf } from "../../../src/nats/bucket-source-of.ts";
import { NatsLink } from "../../../src/nats/connection.ts";
import type { NatsAuth } from "../../../src/nats/credentials.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { BucketWatcherManager, type WatcherManagerOptions } from "../../../src/watch/manager.ts";

export interface Watching extends AsyncDisposable {
  readonly store: PolicyStore;
  readonly manager: BucketWatcherManager;
  /** How many streams of values were opened; listings of names, which the audit asks for, are none. */
  readonly opened: () => number;
}

/** A manager that watches the buckets of a real server. */
export async function watchServer(
  url: string,
  options: Partial<WatcherManagerOptions> = {},
  auth: NatsAuth = { mode: "none" },
): Promise<Watching> {
  const link = new NatsLink({
    servers: [url],
    name: "watch-test",
    auth,
    connectTimeoutMs: 5_000,
    maxReconnectAttempts: -1,
    reconnectWaitMs: 100,
    retryOnFailedConnect: false,
  });
  await link.start();
  const store = new PolicyStore();
  const buckets = bucketsOf(link);
  let opened = 0;
  const manager = new BucketWatcherManager({
    maxBucketWatchers: 10,
    maxConcurrentLoads: 4,
    loadTimeoutMs: 20_000,
    ttlMs: 0,
    missingBucketTtlMs: 30_000,
    maxBucketKeys: 1_000_000,
    maxBucketBytes: 1e9,
    maxTotalBytes: 1e9,
    ...options,
    store,
    source: {
      ...buckets,
      open: (bucket, sink, how) => {
        if (how?.headersOnly !== true) opened++;
        return buckets.open(bucket, sink, how);
      },
    },
  });
  return {
    store,
    manager,
    opened: () => opened,
    async [Symbol.asyncDispose]() {
      await manager.stop();
      await link.close();
    },
  };
}
