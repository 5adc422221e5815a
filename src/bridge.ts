import { type Logger, silentLogger } from "./common/logger.ts";
import { parseConfig } from "./config/load.ts";
import type { BridgeOptions } from "./config/options.ts";
import { readSecrets } from "./config/secrets.ts";
import type { BridgeConfig } from "./config/types.ts";
import { BridgeError, isBridgeError, messageOf } from "./errors.ts";
import { BucketStream } from "./nats/bucket-stream.ts";
import { type ConnectionState, NatsLink } from "./nats/connection.ts";
import type { BucketDemand } from "./policy/bucket-demand.ts";
import { type Bundle, readBundle } from "./policy/bundle.ts";
import { type DecideOptions, PolicyEngine } from "./policy/engine.ts";
import type { ResidentFigures } from "./policy/resident-data.ts";
import { PolicyStore } from "./store/policy-store.ts";
import { BucketRules } from "./watch/bucket-rules.ts";
import { BucketWatcherManager } from "./watch/manager.ts";

/** What a decision came to. */
export interface Decision {
  /** The document at the path, parsed; absent where it is undefined. */
  readonly result?: unknown;
}

export interface CreateOptions {
  /** Default: silent. */
  readonly logger?: Logger;
}

/** What the bridge knows of itself; nothing secret. */
export interface BridgeStatus {
  readonly nats: ReturnType<NatsLink["status"]>;
  readonly policy:
    | {
        readonly revision: string;
        readonly entrypoints: readonly string[];
        readonly resident: ResidentFigures;
      }
    | undefined;
  readonly watch: ReturnType<BucketWatcherManager["status"]>;
  readonly version: number;
}

/** Whether the bridge can answer as configured, and if not, why. */
export interface BridgeHealth {
  readonly ready: boolean;
  readonly nats: ConnectionState;
  readonly bundles: boolean;
  readonly reasons: readonly string[];
}

/**
 * Starts a bridge from options or from a configuration that was loaded, and resolves when it is ready: connected,
 * the policy active, the root bucket (if there is one) loaded.
 *
 * Rejects, with everything closed again, with `CONFIG_*`, `BUNDLE_*`, `POLICY_*`, `NATS_*` or `BUCKET_*`. With
 * `retry_on_failed_connect` it doesn't wait for NATS, and goes on trying in the background.
 */
export async function createBridge(
  options: BridgeOptions | BridgeConfig,
  { logger = silentLogger }: CreateOptions = {},
): Promise<Bridge> {
  const config = isLoaded(options) ? options : parseConfig(options);
  for (const warning of config.warnings) logger.warn({}, warning);
  const [first] = config.bundles;
  const bundle = first === undefined ? undefined : await readBundle(first.file);
  const auth = await readSecrets(config.nats);
  const retryOnFailedConnect = config.nats.retryOnFailedConnect ?? false;
  const link = new NatsLink({ ...config.nats, auth, retryOnFailedConnect }, logger);
  const bridge = new Bridge(config, link, logger);
  try {
    await bridge.start(bundle);
    return bridge;
  } catch (error) {
    await bridge.close();
    throw error;
  }
}

/** A running bridge. Made by {@link createBridge}; the only place that wires the parts together. */
export class Bridge implements AsyncDisposable {
  readonly config: BridgeConfig;
  readonly store: PolicyStore;
  readonly manager: BucketWatcherManager;
  readonly engine: PolicyEngine;
  readonly #link: NatsLink;
  readonly #logger: Logger;
  #rootLoaded: boolean;
  #closed: Promise<void> | undefined;

  constructor(config: BridgeConfig, link: NatsLink, logger: Logger) {
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
      source: { open: (bucket, sink) => new BucketStream(link, bucket, sink) },
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
    this.#rootLoaded = watch.rootBucket === "";
  }

  /** Part of {@link createBridge}. */
  async start(bundle: Bundle | undefined): Promise<void> {
    // The policy comes first: what the root bucket may hold depends on it.
    if (bundle !== undefined) await this.engine.activate(bundle);
    await this.#link.start();
    const root = this.manager.startRoot().then(() => {
      this.#rootLoaded = true;
    });
    if (this.config.nats.retryOnFailedConnect !== true) await root;
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
    options?: DecideOptions,
  ): Promise<Decision> {
    const text = await this.decideText(
      path,
      input === undefined ? undefined : inputText(input),
      options,
    );
    return text === undefined ? {} : { result: JSON.parse(text) as unknown };
  }

  /** As {@link decide}, with JSON texts for input and result, which keeps every digit of every number. */
  decideText(
    path: string | readonly string[],
    input: string | undefined,
    options?: DecideOptions,
  ): Promise<string | undefined> {
    return this.engine.decide(path, input, options);
  }

  /** Resolves with the reason when the connection to NATS has been given up for good. */
  get gaveUp(): Promise<BridgeError> {
    return this.#link.gaveUp;
  }

  health(): BridgeHealth {
    const { state, lastError } = this.#link.status();
    const bundles = this.engine.policy !== undefined;
    const root = this.config.watch.rootBucket;
    const reasons: string[] = [];
    if (state === "connecting" || state === "failed" || state === "closed") {
      reasons.push(`NATS is not connected (${lastError ?? state})`);
    }
    if (!bundles) reasons.push("no policy is active");
    if (!this.#rootLoaded || (root !== "" && !this.manager.hasWatcher(root))) {
      reasons.push(`the root bucket ${root} is not loaded`);
    }
    return { ready: reasons.length === 0, nats: state, bundles, reasons };
  }

  status(): BridgeStatus {
    const { policy } = this.engine;
    return {
      nats: this.#link.status(),
      policy: policy && {
        revision: policy.bundle.revision,
        entrypoints: policy.entrypoints,
        resident: policy.residentFigures,
      },
      watch: this.manager.status(),
      version: this.store.version,
    };
  }

  /** Stops watching and closes the connection. Idempotent; decisions that wait for buckets fail. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.manager.stop();
    await this.#link.close();
  }
}

function isLoaded(options: BridgeOptions | BridgeConfig): options is BridgeConfig {
  return "warnings" in options;
}

function inputText(input: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch (error) {
    throw new BridgeError("INPUT_INVALID", `The input is not a JSON value: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  if (text !== undefined) return text;
  throw new BridgeError(
    "INPUT_INVALID",
    `The input is a ${typeof input}, which JSON does not have.`,
  );
}

/** What policies ask for, from what is watched. */
function demandOn(manager: BucketWatcherManager, logger: Logger): BucketDemand {
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
    state(bucket) {
      const watcher = manager.watcher(bucket);
      if (watcher === undefined) return { state: "unwatched" };
      const { state, revision, ageMs } = watcher.status();
      return {
        state: state === "recovering" ? "recovering" : "live",
        ...(revision !== undefined && { revision }),
        ...(ageMs !== undefined && { ageMs }),
      };
    },
  };
}
