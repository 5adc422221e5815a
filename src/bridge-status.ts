import type { BundleStatus } from "./bundles/bundle-status.ts";
import type { DecisionLogFigures } from "./decisions/figures.ts";
import type { FeedStatus } from "./feed/change-feed.ts";
import type { NatsLink } from "./nats/connection.ts";
import type { ResidentFigures } from "./policy/active-policy.ts";
import type { BucketWatcherManager } from "./watch/manager.ts";
import type { WriteFigures } from "./writes/write-through.ts";

/** What the bridge knows of itself; nothing secret. */
export interface BridgeStatus {
  /** The connection. */
  readonly nats: ReturnType<NatsLink["status"]>;
  /** What answers decisions; undefined before the first activation. */
  readonly policy:
    | {
        /** The revision of each active bundle, by its name. */
        readonly bundles: Readonly<Record<string, string>>;
        /** The paths of the decisions that the policies were compiled for. */
        readonly entrypoints: readonly string[];
        /** The copies of the data in the memory of the policies. */
        readonly resident: ResidentFigures;
      }
    | undefined;
  /** By name. */
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  /** The buckets. */
  readonly watch: ReturnType<BucketWatcherManager["status"]>;
  /** The change feed. */
  readonly feed: FeedStatus;
  /** The number of the store's last commit; 0 before the first. */
  readonly version: number;
  /** Absent where the decision log is off. */
  readonly decisionLog?: DecisionLogFigures;
  /** Absent where writing is off. */
  readonly writes?: WriteFigures;
}
