export { Bridge, createBridge, type CreateOptions, type Decision } from "./bridge.ts";
export type { BridgeStatus } from "./bridge-status.ts";
export type { BundleManager } from "./bundles/manager.ts";
export type { BundleError, BundleOrigin, BundleStatus } from "./bundles/bundle-status.ts";
export { loadConfig, type LoadOptions, parseConfig, type ParseOptions } from "./config/load.ts";
export type { BundleOptions, KeyOptions } from "./config/bundle-options.ts";
export type {
  BridgeOptions,
  BucketOptions,
  FeedOptions,
  NatsOptions,
  OutboundOptions as OutboundConfigOptions,
  StalenessOptions,
  WriteOptions,
} from "./config/options.ts";
export type { ServerOptions as ServerConfigOptions } from "./config/server-options.ts";
export type {
  DecisionLogOptions as DecisionLogConfigOptions,
  ReportingOptions,
  ServiceOptions,
} from "./config/decision-log-options.ts";
export type { ServerLookup } from "./config/seeds.ts";
export type { BridgeConfig } from "./config/types.ts";
export type { Logger } from "./common/logger.ts";
export { shortenPauses } from "./common/short-pauses.ts";
export type { DecisionRecording, RecordedOptions } from "./decision-recording.ts";
export {
  DecisionLog,
  type DecisionLogOptions,
  type LogPolicy,
  type ReportedSink,
} from "./decisions/decision-log.ts";
export type { Reporting } from "./decisions/delivery.ts";
export type { DecisionContext, DecisionEvent } from "./decisions/event.ts";
export type { DecisionLogCounters, DecisionLogFigures } from "./decisions/figures.ts";
export type { DecisionSink, EncodedEvent, Sent } from "./decisions/sink.ts";
export {
  BridgeError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorMeaning,
  isBridgeError,
} from "./errors.ts";
export type { BridgeHealth } from "./health.ts";
export type { BridgeMetrics } from "./metrics/bridge-metrics.ts";
export { bucketsOf } from "./nats/bucket-source-of.ts";
export {
  ChangeFeed,
  type ChangeFeedOptions,
  type FeedLimits,
  type FeedStatus,
  type SubscribeOptions,
} from "./feed/change-feed.ts";
export type { FeedFilter } from "./feed/filter.ts";
export type { FeedEndReason, FeedFrame, SnapshotReason } from "./feed/frames.ts";
export { FeedSubscription } from "./feed/subscription.ts";
export type {
  BucketEntry,
  BucketInfo,
  BucketRun,
  BucketSink,
  BucketSource,
  GapCause,
  OpenOptions,
} from "./nats/bucket-source.ts";
export {
  type ConnectionState,
  type LinkStatus,
  NatsLink,
  type NatsSettings,
} from "./nats/connection.ts";
export type { NatsAuth, NatsTls } from "./nats/credentials.ts";
export type { Current, DialSettings } from "./nats/dialer.ts";
export type { BucketDemand, BucketState } from "./policy/bucket-demand.ts";
export { BaseData } from "./policy/base-data.ts";
export { type Bundle, parseBundle, readBundle } from "./policy/bundle.ts";
export type { BundleLimits } from "./policy/bundle-files.ts";
export type { AskedFacts, DecisionFacts, DecisionTimes } from "./policy/decision-facts.ts";
export type { EvaluationLimits } from "./policy/evaluation-bounds.ts";
export type { OutboundOptions } from "./policy/outbound/rules.ts";
export { type DecideOptions, PolicyEngine, type PolicyEngineOptions } from "./policy/engine.ts";
export {
  BucketDocument,
  type BucketFigures,
  type Difference,
  type KeyChange,
  type RefusedKey,
} from "./store/bucket-document.ts";
export type { DocumentEntry, DocumentPart } from "./store/document.ts";
export {
  type CommitListener,
  type MountPreparer,
  PolicyStore,
  type PolicyStoreOptions,
} from "./store/policy-store.ts";
export type { ActivePolicy, ResidentFigures } from "./policy/active-policy.ts";
export { type ReservedPath, ReservedPaths } from "./store/reserved-paths.ts";
export type { BucketView, StoreSnapshot } from "./store/snapshot.ts";
export type {
  Change,
  Commit,
  OpenTransaction,
  Owner,
  WriteTransaction,
} from "./store/transaction.ts";
export { decodeValue, type Refusal, type StoredValue } from "./store/value.ts";
export type { Gzip } from "./server/data-api/send.ts";
export {
  type AppOptions,
  buildApp,
  type PolicyServer,
  type ServerOptions,
  startServer,
} from "./server/server.ts";
export type { BucketFailure } from "./watch/absent-buckets.ts";
export type { LeastRevisions } from "./watch/await-revisions.ts";
export { type BucketPatterns, BucketRules } from "./watch/bucket-rules.ts";
export { BucketWatcher } from "./watch/bucket-watcher.ts";
export { type BudgetLimits, MemoryBudget } from "./watch/budget.ts";
export type { Clock } from "./watch/clock.ts";
export type { RepairCause } from "./watch/listen.ts";
export type { LookupLimits } from "./watch/lookup-limit.ts";
export { BucketWatcherManager } from "./watch/manager.ts";
export type { BucketWatcherOptions } from "./watch/watcher-options.ts";
export type { BucketWatcherStatus, WatcherState } from "./watch/watcher-status.ts";
export type { WatcherManagerOptions } from "./watch/manager-options.ts";
export type { EvictionReason, ManagerStatus, WatchedBucketStatus } from "./watch/manager-status.ts";
export type { StaleAction, StalenessRule } from "./watch/staleness.ts";
export type { WriteBufferFigures } from "./writes/write-buffer.ts";
export type { WriteFigures, WriteThrough, Written } from "./writes/write-through.ts";
