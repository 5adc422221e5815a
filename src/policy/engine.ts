import { Mutex } from "async-mutex";
import { andThen, type Soon, telling, within } from "../common/async.ts";
import { isDeeperThan, MAX_JSON_DEPTH, textAt } from "../common/json-text.ts";
import type { Logger } from "../common/logger.ts";
import type { Slices } from "../common/slices.ts";
import { BridgeError, isBridgeError, messageOf } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { ActivePolicy } from "./active-policy.ts";
import type { BucketDemand } from "./bucket-demand.ts";
import type { BuiltinRegistry } from "./builtins/registry.ts";
import { natsKvBuiltins } from "./builtins/nats-kv.ts";
import { type BuiltinAnswers, noting } from "./builtin-answers.ts";
import { outboundBuiltins } from "./builtins/outbound.ts";
import { standardBuiltins } from "./builtins/standard.ts";
import type { Bundle } from "./bundle.ts";
import {
  type AskedFacts,
  bucketsAt,
  noteBuckets,
  readsAllBuckets,
  timed,
} from "./decision-facts.ts";
import { DEFAULT_LIMITS, type EvaluationLimits } from "./evaluation-bounds.ts";
import type { Policy, PolicyOptions } from "./policy.ts";
import { PolicySet } from "./policy-set.ts";
import type { OutboundOptions } from "./outbound/rules.ts";
import { Query, Suspension } from "./query.ts";

/** Of a {@link PolicyEngine}. */
export interface PolicyEngineOptions {
  /** The data that policies see. */
  readonly store: PolicyStore;
  /** Where policies ask for buckets. */
  readonly demand: BucketDemand;
  /** How long a decision may wait for buckets, in milliseconds. */
  readonly queryTimeoutMs: number;
  /** Where policies may reach to by `http.send` and `net.lookup_ip_addr`. Default: nowhere, they don't have them. */
  readonly outbound?: OutboundOptions;
  /** How many times a decision may wait for buckets. Default 32. */
  readonly maxSuspensions?: number;
  /** The most that a policy's memory may grow to, in bytes. Default 4 GiB, WebAssembly's own limit. */
  readonly maxMemoryBytes?: number;
  /** What the evaluations of one decision may take. Default: 1 s and 256 MiB. */
  readonly limits?: Partial<EvaluationLimits>;
  /** @hidden Runs what takes long. Default: the process's own. */
  readonly slices?: Slices;
  /** Told when a bucket has outgrown the policy's memory; it should be unmounted. */
  readonly onOverBudget?: (bucket: string, reason: BridgeError) => void;
  /** What policies print goes there, too, as information about `print`, the decision. Default: silent. */
  readonly logger?: Logger;
}

/** How one decision is made. */
export interface DecideOptions {
  /** Builtin failures are the decision's error instead of undefined. Default false. */
  readonly strictBuiltinErrors?: boolean | undefined;
  /** Filled in with how the decision was made; without `revisions`, only the times. Default: nobody asks. */
  readonly facts?: AskedFacts | undefined;
  /** @hidden Notes what builtins that are not deterministic have answered. Default: nobody asks. */
  readonly builtinAnswers?: BuiltinAnswers | undefined;
}

const MAX_WASM_BYTES = 4 * 1024 ** 3;

/** Answers decisions with the active policy and the store's data. */
export class PolicyEngine {
  readonly #options: PolicyEngineOptions;
  readonly #builtins: BuiltinRegistry;
  readonly #activations = new Mutex();
  #set: PolicySet | undefined;
  #closed = false;
  #suspended = 0;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#builtins = new Map(
      noting([
        ...standardBuiltins(),
        ...natsKvBuiltins(options.store, options.demand),
        ...(options.outbound === undefined ? [] : outboundBuiltins(options.outbound)),
      ]),
    );
  }

  /** How many decisions wait for buckets now. */
  get suspended(): number {
    return this.#suspended;
  }

  /** The bundles that answer now; undefined before the first activation. */
  get policy(): ActivePolicy | undefined {
    return this.#set;
  }

  /**
   * Prepares a bundle beside those that run, and lets it take over between two decisions, in the place of the one
   * that has its name. When it rejects (`BUNDLE_ROOTS`, `BUNDLE_INVALID`, `POLICY_ABI`, `POLICY_BUILTIN_MISSING`,
   * `BUCKET_OVER_BUDGET`), everything goes on as before.
   */
  async activate(bundle: Bundle, name = "bundle"): Promise<void> {
    await this.#activations.runExclusive(() =>
      this.#replace(new Map(this.#set?.bundles).set(name, bundle)),
    );
  }

  /**
   * The JSON text of the document at a path of `data` (`authz/allow`), undefined where it is undefined.
   * `input` is JSON text, undefined where there is none.
   *
   * Rejects with `INPUT_INVALID`, `EVALUATION_*`, `QUERY_TIMEOUT`, `BUCKET_UNAVAILABLE` or
   * `BRIDGE_STOPPING`.
   */
  async decide(
    path: string | readonly string[],
    input: string | undefined,
    options?: DecideOptions,
  ): Promise<string | undefined> {
    return this.decideSoon(path, input, options);
  }

  /** @hidden As {@link decide}, at once where the decision has to wait for nothing. */
  decideSoon(
    path: string | readonly string[],
    input: string | undefined,
    options: DecideOptions = {},
  ): Soon<string | undefined> {
    // The one that it began with, whatever is activated while the decision waits.
    if (this.#closed) throw new BridgeError("BRIDGE_STOPPING", "The bridge has stopped.");
    const set = this.#set;
    if (set === undefined) {
      throw new BridgeError("EVALUATION_FAILED", "No policy is active; give a bundle first.");
    }
    if (input !== undefined && isDeeperThan(input, MAX_JSON_DEPTH)) {
      throw new BridgeError(
        "INPUT_INVALID",
        `The input is nested deeper than ${MAX_JSON_DEPTH} levels; flatten it.`,
      );
    }
    const { store, demand } = this.#options;
    // Every decision may use what stands at the top of the data.
    if (store.rootBucket !== undefined) this.#refuseUnavailable(store.rootBucket);
    const target = set.target(path);
    const { facts } = options;
    if (facts?.revisions) facts.bundles = set.revisions;
    if (target.entrypoint === undefined) {
      const read = bucketsAt(store, target.rest);
      for (const bucket of read) this.#refuseUnavailable(bucket);
      const missing = readsAllBuckets(target.rest) ? demand.unavailable() : undefined;
      // What is there would look like all there is.
      if (missing !== undefined) throw missing;
      noteBuckets(facts, store, demand, read);
      return set.baseDocument(target.rest);
    }
    const { policy, number } = target.entrypoint;
    const query = new Query(options.strictBuiltinErrors === true, options.builtinAnswers);
    policy.retain();
    const end = (): void => {
      this.#show(query, path);
      query.end();
      policy.release();
    };
    const made = telling(() => this.#evaluate(policy, number, input, query, facts), end, end);
    return andThen(made, (document) =>
      document === undefined ? undefined : textAt(document, target.rest),
    );
  }

  /** What the policy has printed, also before it failed. */
  #show(query: Query, path: string | readonly string[]): void {
    const texts = query.takePrints();
    if (texts.length === 0) return;
    const decision = typeof path === "string" ? path : path.join("/");
    for (const text of texts) this.#options.logger?.info({ print: decision }, text);
  }

  #refuseUnavailable(bucket: string): void {
    const { store, demand } = this.#options;
    if (store.hasBucket(bucket)) return;
    const reason = demand.recentFailure(bucket);
    if (reason?.code === "BUCKET_UNAVAILABLE") throw reason;
  }

  /** Ends the work on the policy's data that goes on behind decisions. Call it when the store is at its end. */
  close(): void {
    this.#closed = true;
    this.#set?.retire();
  }

  async #replace(bundles: ReadonlyMap<string, Bundle>, worn?: Policy): Promise<void> {
    const { store, maxMemoryBytes = MAX_WASM_BYTES, slices, onOverBudget, logger } = this.#options;
    const options: PolicyOptions = {
      store,
      builtins: this.#builtins,
      maxMemoryBytes,
      limits: { ...DEFAULT_LIMITS, ...this.#options.limits },
      slices,
      onOverBudget,
      onWornOut: (policy) => this.#renew(policy),
      logger,
    };
    const before = this.#set;
    const set = await PolicySet.load(bundles, options, before, worn);
    // What the root bucket may hold changes in the same step as who answers.
    await store.reserve(set.reservedPaths, () => {
      this.#set = set;
    });
    before?.retire(set);
    if (this.#closed) set.retire();
  }

  /** Puts the same policy and its data into a new instance, beside the one that goes on meanwhile. */
  #renew(worn: Policy): void {
    void this.#activations
      .runExclusive(async () => {
        if (this.#set?.has(worn) === true) await this.#replace(this.#set.bundles, worn);
      })
      .catch((error: unknown) => {
        this.#options.logger?.error({}, `the policy could not be renewed: ${messageOf(error)}`);
      });
  }

  #evaluate(
    policy: Policy,
    entrypoint: number,
    input: string | undefined,
    query: Query,
    facts: AskedFacts | undefined,
  ): Soon<string | undefined> {
    const { store, demand } = this.#options;
    const evaluate = (): string | undefined => policy.evaluate(entrypoint, input, query);
    const attempt = (): string | undefined | Suspension => {
      try {
        const result = facts === undefined ? evaluate() : timed(facts, evaluate);
        noteBuckets(facts, store, demand, query.asked);
        if (query.strict && query.failure !== undefined) throw builtinError(query.failure);
        return result;
      } catch (error) {
        if (error instanceof Suspension) return error;
        throw evaluationError(error);
      }
    };
    const result = attempt();
    return result instanceof Suspension ? this.#whenSettled(result, attempt, query, facts) : result;
  }

  /** Makes the evaluation again when what it waits for is settled, as often as it takes. */
  async #whenSettled(
    suspension: Suspension,
    attempt: () => string | undefined | Suspension,
    query: Query,
    facts: AskedFacts | undefined,
  ): Promise<string | undefined> {
    const { demand, queryTimeoutMs, maxSuspensions = 32 } = this.#options;
    const deadline = performance.now() + queryTimeoutMs;
    let result: string | undefined | Suspension = suspension;
    for (let suspensions = 0; result instanceof Suspension; suspensions++) {
      if (suspensions >= maxSuspensions) throw timeout(result.what, `${maxSuspensions} times`);
      query.pin((bucket) => demand.pin(bucket));
      const since = performance.now();
      this.#suspended++;
      await this.#settle(result, deadline).finally(() => this.#suspended--);
      if (facts) {
        facts.suspensions++;
        facts.waitMs += performance.now() - since;
      }
      result = attempt();
    }
    return result;
  }

  async #settle({ what, settle }: Suspension, deadline: number): Promise<void> {
    const left = Math.max(0, deadline - performance.now());
    const longest = `longer than ${this.#options.queryTimeoutMs} ms`;
    await within(left, settle(), () => timeout(what, longest));
  }
}

function timeout(what: string, how: string): BridgeError {
  return new BridgeError(
    "QUERY_TIMEOUT",
    `The decision waited ${how} for ${what}; look after it, or raise plugins.nats.query_timeout.`,
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
