export { Bridge, createBridge, type CreateOptions, type Decision } from "./bridge.ts";
export type { BridgeStatus } from "./bridge-status.ts";
export type { BundleStatus } from "./bundles/bundle-status.ts";
export { loadConfig, parseConfig } from "./config/load.ts";
export type { BundleOptions, KeyOptions } from "./config/bundle-options.ts";
export type {
  BridgeOptions,
  BucketOptions,
  NatsOptions,
  ServerOptions as ServerConfigOptions,
} from "./config/options.ts";
export type { ServerLookup } from "./config/seeds.ts";
export type { BridgeConfig } from "./config/types.ts";
export type { Logger } from "./common/logger.ts";
export { shortenPauses } from "./common/short-pauses.ts";
export { DecisionLog, type DecisionLogOptions } from "./decisions/decision-log.ts";
export { BridgeError, ERROR_CODES, type ErrorCode, isBridgeError } from "./errors.ts";
export type { BridgeHealth } from "./health.ts";
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
} from "./nats/bucket-source.ts";
export { type ConnectionState, NatsLink, type NatsSettings } from "./nats/connection.ts";
export type { NatsAuth, NatsTls } from "./nats/credentials.ts";
export type { BucketDemand, BucketState } from "./policy/bucket-demand.ts";
export { BaseData } from "./policy/base-data.ts";
export { type Bundle, parseBundle, readBundle } from "./policy/bundle.ts";
export type { BundleLimits } from "./policy/bundle-files.ts";
export { type DecideOptions, PolicyEngine, type PolicyEngineOptions } from "./policy/engine.ts";
export { BucketDocument, type BucketFigures, type KeyChange } from "./store/bucket-document.ts";
export type { DocumentEntry } from "./store/document.ts";
export {
  type CommitListener,
  type MountPreparer,
  PolicyStore,
  type PolicyStoreOptions,
} from "./store/policy-store.ts";
export type { ActivePolicy, ResidentFigures } from "./policy/active-policy.ts";
export { ReservedPaths } from "./store/reserved-paths.ts";
export type { BucketView, StoreSnapshot } from "./store/snapshot.ts";
export type {
  Change,
  Commit,
  OpenTransaction,
  Owner,
  WriteTransaction,
} from "./store/transaction.ts";
export { decodeValue, type Refusal, type StoredValue } from "./store/value.ts";
export { buildApp, type PolicyServer, type ServerOptions, startServer } from "./server/server.ts";
export { type BucketPatterns, BucketRules } from "./watch/bucket-rules.ts";
export {
  BucketWatcher,
  type BucketWatcherOptions,
  type BucketWatcherStatus,
  type WatcherState,
} from "./watch/bucket-watcher.ts";
export { type BudgetLimits, MemoryBudget } from "./watch/budget.ts";
export type { Clock } from "./watch/clock.ts";
export type { LookupLimits } from "./watch/lookup-limit.ts";
export { BucketWatcherManager } from "./watch/manager.ts";
export type { WatcherManagerOptions } from "./watch/manager-options.ts";
export type { EvictionReason, ManagerStatus, WatchedBucketStatus } from "./watch/manager-status.ts";
