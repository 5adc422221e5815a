import { setImmediate } from "node:timers/promises";
import { PolicyStore } from "../../../../src/store/policy-store.ts";
import type { Change, Commit, OpenTransaction } from "../../../../src/store/transaction.ts";
import { BucketWatcher } from "../../../../src/watch/bucket-watcher.ts";
import { type BudgetLimits, MemoryBudget } from "../../../../src/watch/budget.ts";
import { BucketWatcherManager, type WatcherManagerOptions } from "../../../../src/watch/manager.ts";
import type { BucketWatcherOptions } from "../../../../src/watch/watcher-options.ts";
import { FakeSource, loadsAtOnce } from "./fake-source.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const NO_LIMITS: BudgetLimits = {
  maxBucketKeys: 1_000_000,
  maxBucketBytes: 1_000_000_000,
  maxTotalBytes: 1_000_000_000,
};

/** A store whose transactions wait for a gate before they begin, when the test sets one. */
export class GatedStore extends PolicyStore {
  readonly commits: Commit[] = [];
  gate: (() => Promise<void>) | undefined;

  constructor(rootBucket?: string) {
    super({ rootBucket });
    this.onCommit((commit) => this.commits.push(commit));
  }

  override async begin(): Promise<OpenTransaction> {
    await this.gate?.();
    return super.begin();
  }
}

export interface Parts {
  readonly store: GatedStore;
  readonly source: FakeSource;
  readonly clock: VirtualClock;
  readonly manager: BucketWatcherManager;
}

/** A manager over a source whose buckets all exist, unless told otherwise. */
export function makeManager(
  options: Partial<Omit<WatcherManagerOptions, "store" | "source" | "clock">> & {
    readonly source?: FakeSource;
    readonly rootBucket?: string;
  } = {},
): Parts {
  const { source = new FakeSource(loadsAtOnce), rootBucket, ...rest } = options;
  const store = new GatedStore(rootBucket);
  const clock = new VirtualClock();
  const manager = new BucketWatcherManager({
    ...NO_LIMITS,
    maxBucketWatchers: 10,
    maxConcurrentLoads: 4,
    loadTimeoutMs: 30_000,
    ttlMs: 0,
    missingBucketTtlMs: 10_000,
    refreshIntervalMs: 0,
    ...rest,
    store,
    source,
    clock,
  });
  return { store, source, clock, manager };
}

/** A watcher alone, whose source is played by hand. */
export function makeWatcher(
  options: Partial<BucketWatcherOptions> & { readonly limits?: Partial<BudgetLimits> } = {},
): {
  store: GatedStore;
  source: FakeSource;
  clock: VirtualClock;
  budget: MemoryBudget;
  watcher: BucketWatcher;
} {
  const store = new GatedStore();
  const source = new FakeSource();
  const clock = new VirtualClock();
  const budget = new MemoryBudget({ ...NO_LIMITS, ...options.limits });
  const watcher = new BucketWatcher("b", {
    store,
    source,
    clock,
    budget,
    loadTimeoutMs: 30_000,
    refreshIntervalMs: 0,
    ...options,
  });
  return { store, source, clock, budget, watcher };
}

/** Everything that can go on without time or the test has gone on. */
export async function settled(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

/** The bucket's document as policies see it, parsed. */
export function documentOf(store: PolicyStore, bucket: string): unknown {
  const text = store.bucket(bucket)?.text();
  return text === undefined ? undefined : JSON.parse(text);
}

/** What the commits announced, without the documents. */
export function announced(store: GatedStore): (string | undefined)[] {
  return store.commits.flatMap(({ changes }) =>
    changes.map((change: Change) =>
      "key" in change ? `${change.type} ${change.key}@${change.revision}` : change.type,
    ),
  );
}
