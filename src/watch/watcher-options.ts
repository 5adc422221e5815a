import type { Logger } from "../common/logger.ts";
import type { BridgeError } from "../errors.ts";
import type { BucketSource } from "../nats/bucket-source.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { AuditSlots } from "./audit-slots.ts";
import type { MemoryBudget } from "./budget.ts";
import type { Clock } from "./clock.ts";
import type { LoadRoom } from "./load-room.ts";
import type { StalenessRule } from "./staleness.ts";

/** Of a {@link BucketWatcher}. */
export interface BucketWatcherOptions {
  /** Where the bucket comes from. */
  readonly source: BucketSource;
  /** Where it goes to. */
  readonly store: PolicyStore;
  /** What it may take, together with others. */
  readonly budget: MemoryBudget;
  /** How long the first load may take, in milliseconds. */
  readonly loadTimeoutMs: number;
  /** How often the copy is proved to be right, give or take a tenth; 0: never. In milliseconds; default 30,000. */
  readonly refreshIntervalMs?: number | undefined;
  /** @hidden Shared by watchers, so that together they don't ask too much. Default: its own. */
  readonly auditSlots?: AuditSlots;
  /** @hidden Shared by watchers: how many load again at the same time. Default: its own. */
  readonly loadRoom?: LoadRoom;
  /** A gap that comes sooner than this after the last load waits, in milliseconds. Default 5,000; 0: none waits. */
  readonly resyncCooldownMs?: number;
  /** How old the copy may get, and what happens then. Default: as old as it gets. */
  readonly staleness?: StalenessRule | undefined;
  /** Told once when a watcher that was live can't go on: the bucket is gone, or has outgrown its budget. */
  readonly onFailed?: (reason: BridgeError) => void;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}
