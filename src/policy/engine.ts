import { Mutex } from "async-mutex";
import { within } from "../common/async.ts";
import { isDeeperThan, MAX_JSON_DEPTH, textAt } from "../common/json-text.ts";
import type { Logger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { BucketDemand } from "./bucket-demand.ts";
import type { BuiltinRegistry } from "./builtins/registry.ts";
import { natsKvBuiltins } from "./builtins/nats-kv.ts";
import type { Bundle } from "./bundle.ts";
import { Policy } from "./policy.ts";
import { Query, Suspension } from "./query.ts";

export interface PolicyEngineOptions {
  readonly store: PolicyStore;
  readonly demand: BucketDemand;
  /** How long a decision may wait for buckets, in milliseconds. */
  readonly queryTimeoutMs: number;
  /** How many times a decision may wait for buckets. Default 32. */
  readonly maxSuspensions?: number;
  /** The most that a policy's memory may grow to, in bytes. Default 4 GiB, WebAssembly's own limit. */
  readonly maxMemoryBytes?: number;
  /** How long a slice of a load may keep other decisions waiting, in milliseconds. Default 1. */
  readonly sliceMs?: number;
  /** Told when a bucket has outgrown the policy's memory; it should be unmounted. */
  readonly onOverBudget?: (bucket: string, reason: BridgeError) => void;
  readonly logger?: Logger;
}

export interface DecideOptions {
  /** Builtin failures are the decision's error instead of undefined. Default false. */
  readonly strictBuiltinErrors?: boolean | undefined;
}

const MAX_WASM_BYTES = 4 * 1024 ** 3;

/** Answers decisions with the active policy and the store's data. */
export class PolicyEngine {
  readonly #options: PolicyEngineOptions;
  readonly #builtins: BuiltinRegistry;
  readonly #activations = new Mutex();
  #policy: Policy | undefined;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#builtins = new Map(natsKvBuiltins(options.store, options.demand));
  }

  /** The policy that answers now. */
  get policy(): Policy | undefined {
    return this.#policy;
  }

  /**
   * Prepares a bundle beside the running one and lets it take over between two decisions. When it throws
   * (`BUNDLE_INVALID`, `POLICY_ABI`, `POLICY_BUILTIN_MISSING`), the old one goes on.
   */
  async activate(bundle: Bundle): Promise<void> {
    await this.#activations.runExclusive(() => this.#replace(bundle));
  }

  /**
   * The JSON text of the document at a path of `data` (`authz/allow`), undefined where it is undefined.
   * `input` is JSON text, undefined where there is none.
   *
   * Rejects with `INPUT_INVALID`, `EVALUATION_FAILED`, `QUERY_TIMEOUT` or `BRIDGE_STOPPING`.
   */
  async decide(
    path: string | readonly string[],
    input: string | undefined,
    options: DecideOptions = {},
  ): Promise<string | undefined> {
    // The one that it began with, whatever is activated while the decision waits.
    const policy = this.#policy;
    if (policy === undefined) {
      throw new BridgeError("EVALUATION_FAILED", "No policy is active; give a bundle first.");
    }
    if (input !== undefined && isDeeperThan(input, MAX_JSON_DEPTH)) {
      throw new BridgeError(
        "INPUT_INVALID",
        `The input is nested deeper than ${MAX_JSON_DEPTH} levels; flatten it.`,
      );
    }
    const target = policy.target(path);
    if (target.entrypoint === undefined) return policy.baseDocument(target.rest);
    const query = new Query(options.strictBuiltinErrors === true);
    policy.retain();
    try {
      const document = await this.#evaluate(policy, target.entrypoint, input, query);
      return document === undefined ? undefined : textAt(document, target.rest);
    } finally {
      query.end();
      policy.release();
    }
  }

  async #replace(bundle: Bundle): Promise<void> {
    const { store, maxMemoryBytes = MAX_WASM_BYTES, sliceMs, onOverBudget, logger } = this.#options;
    const policy = await Policy.load(bundle, {
      store,
      builtins: this.#builtins,
      maxMemoryBytes,
      sliceMs,
      onOverBudget,
      onWornOut: (worn) => this.#renew(worn),
      logger,
    });
    store.reserve(policy.reservedPaths);
    this.#policy?.retire();
    this.#policy = policy;
  }

  /** Puts the same policy and its data into a new instance, beside the one that goes on meanwhile. */
  #renew(worn: Policy): void {
    void this.#activations
      .runExclusive(async () => {
        if (this.#policy === worn) await this.#replace(worn.bundle);
      })
      .catch((error: unknown) => {
        this.#options.logger?.error({}, `the policy could not be renewed: ${messageOf(error)}`);
      });
  }

  async #evaluate(
    policy: Policy,
    entrypoint: number,
    input: string | undefined,
    query: Query,
  ): Promise<string | undefined> {
    const { queryTimeoutMs, maxSuspensions = 32 } = this.#options;
    let deadline: number | undefined;
    for (let suspensions = 0; ; suspensions++) {
      try {
        const result = policy.evaluate(entrypoint, input, query);
        if (query.strict && query.failure !== undefined) throw builtinError(query.failure);
        return result;
      } catch (error) {
        if (!(error instanceof Suspension)) throw evaluationError(error);
        deadline ??= performance.now() + queryTimeoutMs;
        if (suspensions >= maxSuspensions) throw timeout(error.bucket, `${maxSuspensions} times`);
        await this.#settle(error.bucket, deadline, query);
      }
    }
  }

  /** Waits until a bucket is there, or is known not to be had for this query. */
  async #settle(bucket: string, deadline: number, query: Query): Promise<void> {
    const { demand, queryTimeoutMs } = this.#options;
    const left = Math.max(0, deadline - performance.now());
    const late = (): BridgeError => timeout(bucket, `longer than ${queryTimeoutMs} ms`);
    try {
      await within(left, demand.load(bucket), late);
    } catch (error) {
      // An answer that lacks data because the bridge is stopping would look like one that is right.
      if (!isBridgeError(error) || error.code === "QUERY_TIMEOUT") throw error;
      if (error.code === "BRIDGE_STOPPING") throw error;
      query.giveUp(bucket, error);
    }
  }
}

function timeout(bucket: string, what: string): BridgeError {
  return new BridgeError(
    "QUERY_TIMEOUT",
    `The decision waited ${what} for bucket ${quote(bucket)}; check the bucket's status, or raise plugins.nats.query_timeout.`,
  );
}

function builtinError({ builtin, message }: { builtin: string; message: string }): BridgeError {
  return new BridgeError("EVALUATION_FAILED", `${builtin}: ${message}`);
}

function evaluationError(error: unknown): BridgeError {
  if (isBridgeError(error)) return error;
  return new BridgeError(
    "EVALUATION_FAILED",
    `The policy's evaluation failed: ${messageOf(error)}`,
    { cause: error },
  );
}
