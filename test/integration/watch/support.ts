import { BucketStream } from "../../../src/nats/bucket-stream.ts";
import { NatsLink } from "../../../src/nats/connection.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { BucketWatcherManager, type WatcherManagerOptions } from "../../../src/watch/manager.ts";

export interface Watching extends AsyncDisposable {
  readonly store: PolicyStore;
  readonly manager: BucketWatcherManager;
  /** How many streams were opened. */
  readonly opened: () => number;
}

/** A manager that watches the buckets of a real server. */
export async function watchServer(
  url: string,
  options: Partial<WatcherManagerOptions> = {},
): Promise<Watching> {
  const link = new NatsLink({
    servers: [url],
    name: "watch-test",
    auth: { mode: "none" },
    connectTimeoutMs: 5_000,
    maxReconnectAttempts: -1,
    reconnectWaitMs: 100,
    retryOnFailedConnect: false,
  });
  await link.start();
  const store = new PolicyStore();
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
      open: (bucket, sink) => {
        opened++;
        return new BucketStream(link, bucket, sink);
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
