import type { BundleStatus } from "./bundles/bundle-status.ts";
import type { DecisionLogFigures } from "./decisions/figures.ts";
import type { FeedStatus } from "./feed/change-feed.ts";
import type { NatsLink } from "./nats/connection.ts";
import type { ResidentFigures } from "./policy/active-policy.ts";
import type { BucketWatcherManager } from "./watch/manager.ts";
import type { WriteFigures } from "./writes/write-through.ts";

/** What the bridge knows of itself; nothing secret. */
export interface BridgeStatus {
  readonly nats: ReturnType<NatsLink["status"]>;
  readonly policy:
    | {
        /** The revision of each active bundle, by its name. */
        readonly bundles: Readonly<Record<string, string>>;
        readonly entrypoints: readonly string[];
        readonly resident: ResidentFigures;
      }
    | undefined;
  /** By name. */
  readonly bundles: Readonly<Record<string, BundleStatus>>;
  readonly watch: ReturnType<BucketWatcherManager["status"]>;
  readonly feed: FeedStatus;
  readonly version: number;
  /** Absent where the decision log is off. */
  readonly decisionLog?: DecisionLogFigures;
  /** Absent where writing is off. */
  readonly writes?: WriteFigures;
}
