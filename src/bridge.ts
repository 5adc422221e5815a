import type { BundleManager } from "./bundles/manager.ts";
import { bundlesOf } from "./bundles/bundles-of.ts";
import type { BridgeStatus } from "./bridge-status.ts";
import { andThen, type Soon } from "./common/async.ts";
import { demandOn } from "./demand.ts";
import { type Logger, silentLogger } from "./common/logger.ts";
import { parseConfig } from "./config/load.ts";
import type { BridgeOptions } from "./config/options.ts";
import type { ServerLookup } from "./config/seeds.ts";
import type { BridgeConfig } from "./config/types.ts";
import { DecisionRecording, type RecordedOptions } from "./decision-recording.ts";
import { type BridgeError, messageOf } from "./errors.ts";
import { inputText } from "./input-text.ts";
import type { BucketSource } from "./nats/bucket-source.ts";
import { BridgeMetrics } from "./metrics/bridge-metrics.ts";
import { bucketsOf } from "./nats/bucket-source-of.ts";
import { ChangeFeed } from "./feed/change-feed.ts";
import type { NatsLink } from "./nats/connection.ts";
import { linkOf } from "./nats-link.ts";
import { writerOf } from "./nats/bucket-writer.ts";
import { objectsOf } from "./nats/object-store.ts";
import { EventPublisher } from "./nats/event-publisher.ts";
import { type BridgeHealth, healthOf } from "./health.ts";
import { PolicyEngine } from "./policy/engine.ts";
import { PolicyStore } from "./store/policy-store.ts";
import { awaitRevisions, type LeastRevisions } from "./watch/await-revisions.ts";
import { BucketRules } from "./watch/bucket-rules.ts";
import { type Clock, systemClock } from "./watch/clock.ts";
import { BucketWatcherManager } from "./watch/manager.ts";
import { WriteThrough } from "./writes/write-through.ts";

/** What a decision came to. */
export interface Decision {
  /** The document at the path, parsed; absent where it is undefined. */
  readonly result?: unknown;
}

/** What {@link createBridge} takes beside the configuration; each has a default. */
export interface CreateOptions {
  /** Default: silent. */
  readonly logger?: Logger;
  /** For tests that decide what time it is. Default: the system's. */
  readonly clock?: Clock;
  /** Stands between the bridge and its buckets; for tests that lose something on purpose. */
  readonly wrapSource?: (source: BucketSource) => BucketSource;
  /** Where the NATS servers are, in the place of `server_url`; asked at every attempt to connect. */
  readonly servers?: ServerLookup;
}

/**
 * Starts a bridge from options or from a configuration that was loaded, and resolves when it is ready: connected,
 * the policy active, the root bucket (if there is one) loaded.
 *
 * Rejects, with everything closed again, with `CONFIG_*`, `BUNDLE_*`, `POLICY_*`, `NATS_*` or `BUCKET_*`. With
 * `retry_on_failed_connect` it doesn't wait for NATS, and goes on trying in the background.
 *
 * @param options - The configuration, as it is written or as `loadConfig` answers it.
 * @param more - What is no configuration.
 */
export async function createBridge(
  options: BridgeOptions | BridgeConfig,
  {
    logger = silentLogger,
    servers,
    clock = systemClock,
    wrapSource = (source) => source,
  }: CreateOptions = {},
): Promise<Bridge> {
  const config = isLoaded(options) ? options : parseConfig(options);
  for (const warning of config.warnings) logger.warn({}, warning);
  const link = linkOf(config.nats, logger, servers);
  const bridge = new Bridge(config, link, wrapSource(bucketsOf(link)), clock, logger);
  try {
    await bridge.start();
    return bridge;
  } catch (error) {
    await bridge.close();
    throw error;
  }
}

/** A running bridge. Made by {@link createBridge}; the only place that wires the parts together. */
export class Bridge implements AsyncDisposable {
  /** The configuration in effect, with every default filled in. */
  readonly config: BridgeConfig;
  /** The data of the watched buckets. */
  readonly store: PolicyStore;
  /** Which buckets are watched. */
  readonly manager: BucketWatcherManager;
  /** Makes the decisions. Those that are asked of it directly are neither recorded nor counted. */
  readonly engine: PolicyEngine;
  /** Where the engine's bundles come from, by the configuration. */
  readonly bundles: BundleManager;
  /** The decision log; undefined where it is off. */
  readonly recording: DecisionRecording | undefined;
  /** What changes in the watched buckets. */
  readonly feed: ChangeFeed;
  /** Metrics, in a registry that others may add theirs to. */
  readonly metrics: BridgeMetrics;
  /** Writes keys of buckets; undefined where that is off. */
  readonly writes: WriteThrough | undefined;
  readonly #link: NatsLink;
  readonly #logger: Logger;
  #closed: Promise<void> | undefined;

  /** @hidden Use {@link createBridge}. */
  constructor(
    config: BridgeConfig,
    link: NatsLink,
    source: BucketSource,
    clock: Clock,
    logger: Logger,
  ) {
    this.config = config;
    this.#link = link;
    this.#logger = logger;
    const { watch, policy } = config;
    this.store = new PolicyStore({
      rootBucket: watch.rootBucket,
      onListenerError: (error) =>
        logger.error({ error: messageOf(error) }, "a commit listener failed"),
    });
    this.manager = new BucketWatcherManager({
      ...watch,
      store: this.store,
      source,
      clock,
      rules: new BucketRules(watch),
      logger,
    });
    this.engine = new PolicyEngine({
      store: this.store,
      demand: demandOn(this.manager, logger),
      ...policy,
      onOverBudget: (bucket, reason) => this.manager.fail(bucket, reason),
      logger,
    });
    this.bundles = bundlesOf(config, {
      activate: (bundle, name) => this.engine.activate(bundle, name),
      objects: objectsOf(link),
      logger,
    });
    this.recording = DecisionRecording.of(config, this.engine, new EventPublisher(link), logger);
    this.feed = new ChangeFeed(this.store, config.feed);
    this.metrics = new BridgeMetrics({
      status: () => this.status(),
      entrypoints: () => this.engine.policy?.entrypoints ?? [],
      suspended: () => this.engine.suspended,
      ready: () => this.health().ready,
    });
    const { manager, store } = this;
    const { writes } = config;
    this.writes =
      writes &&
      new WriteThrough({ config: writes, writer: writerOf(link), manager, store, logger });
  }

  /** @hidden Part of {@link createBridge}. */
  async start(): Promise<void> {
    const waits = this.config.nats.retryOnFailedConnect !== true;
    const bundles = this.bundles.start();
    await bundles.local;
    await this.#link.start();
    if (waits) await bundles.all;
    const root = this.manager.startRoot();
    if (waits) await root;
    else root.catch((error: unknown) => this.#logger.warn({}, `root bucket: ${messageOf(error)}`));
  }

  /**
   * The decision at a path of `data`, such as `authz/allow`. `input` is any JSON value; undefined is no input.
   *
   * Rejects with `INPUT_INVALID`, `EVALUATION_FAILED` or `QUERY_TIMEOUT`.
   */
  async decide(
    path: string | readonly string[],
    input?: unknown,
    options?: RecordedOptions,
  ): Promise<Decision> {
    const asked = input === undefined ? undefined : inputText(input);
    return andThen(this.decideSoon(path, asked, options), (text) =>
      text === undefined ? {} : { result: JSON.parse(text) as unknown },
    );
  }

  /** As {@link decide}, with JSON texts for input and result, which keeps every digit of every number. */
  async decideText(
    path: string | readonly string[],
    input: string | undefined,
    options?: RecordedOptions,
  ): Promise<string | undefined> {
    return this.decideSoon(path, input, options);
  }

  /** @hidden As {@link decideText}, at once where the decision has to wait for nothing. */
  decideSoon(
    path: string | readonly string[],
    input: string | undefined,
    options?: RecordedOptions,
  ): Soon<string | undefined> {
    const { recording } = this;
    return this.metrics.decision(path, () =>
      recording === undefined
        ? this.engine.decideSoon(path, input, options)
        : recording.decide(path, input, options),
    );
  }

  /**
   * Waits until these buckets are watched and have reached these revisions, at most `timeoutMs` (default: the
   * configuration's `query_timeout`). Until the answer is called they are not evicted.
   *
   * Rejects with `REVISION_NOT_REACHED` or `BRIDGE_STOPPING`.
   */
  awaitRevisions(
    wanted: LeastRevisions,
    timeoutMs: number = this.config.policy.queryTimeoutMs,
  ): Promise<() => void> {
    return awaitRevisions(this.manager, wanted, timeoutMs);
  }

  /**
   * Goes back to the bundle before the active one; without a name, of the bundle that was activated last. What its
   * source has now is left until the source has something else.
   *
   * Rejects with `BUNDLE_NO_PREVIOUS`, or as an activation does; then everything goes on as before.
   */
  rollback(name?: string): Promise<void> {
    return this.bundles.rollback(name);
  }

  /** Resolves with the reason when the connection to NATS has been given up for good. */
  get gaveUp(): Promise<BridgeError> {
    return this.#link.gaveUp;
  }

  /** Whether the bridge can answer as configured. Answers at once. */
  health(): BridgeHealth {
    return healthOf({
      nats: this.#link.status(),
      policyActive: this.engine.policy !== undefined,
      bundles: this.bundles.status(),
      rootBucket: this.config.watch.rootBucket,
      watch: this.manager.status(),
    });
  }

  /** What the bridge knows of its connection, policies and buckets; nothing secret. Answers at once. */
  status(): BridgeStatus {
    const { policy } = this.engine;
    return {
      nats: this.#link.status(),
      policy: policy && {
        bundles: Object.fromEntries(policy.revisions),
        entrypoints: policy.entrypoints,
        resident: policy.residentFigures,
      },
      bundles: this.bundles.status(),
      watch: this.manager.status(),
      feed: this.feed.status(),
      version: this.store.version,
      ...(this.recording && { decisionLog: this.recording.log.figures() }),
      ...(this.writes && { writes: this.writes.figures() }),
    };
  }

  /** Stops watching and closes the connection. Idempotent; decisions that wait for buckets fail. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // Its masks may need buckets, and its events the connection.
    await this.recording?.log.close();
    await this.bundles.stop();
    this.feed.close();
    await this.writes?.close();
    await this.manager.stop();
    this.engine.close();
    await this.#link.close();
  }
}

function isLoaded(options: BridgeOptions | BridgeConfig): options is BridgeConfig {
  return "warnings" in options;
}
