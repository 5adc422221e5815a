import { type Logger, silentLogger } from "../common/logger.ts";
import type { Slices } from "../common/slices.ts";
import { BridgeError, messageOf } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { BuiltinRegistry } from "./builtins/registry.ts";
import { UNSUPPORTED_BUILTINS } from "./builtins/unsupported.ts";
import type { ResidentFigures } from "./active-policy.ts";
import type { BaseData } from "./base-data.ts";
import type { Bundle } from "./bundle.ts";
import { DataHeap } from "./data-heap.ts";
import type { EvaluationLimits } from "./evaluation-bounds.ts";
import { PatchedData } from "./patched-data.ts";
import type { PolicyModule } from "./policy-module.ts";
import { type Query, Suspension } from "./query.ts";
import { ReplacedData, type ResidentData } from "./resident-data.ts";
import { WasmInstance } from "./wasm-instance.ts";

export interface PolicyOptions {
  readonly store: PolicyStore;
  readonly builtins: BuiltinRegistry;
  /** The most that the policy's memory may grow to, in bytes; reserved, not used, from the start. */
  readonly maxMemoryBytes: number;
  /** What one evaluation may take. */
  readonly limits: EvaluationLimits;
  /** Runs what takes long. Default: the process's own. */
  readonly slices?: Slices | undefined;
  /** Told when a bucket has outgrown the policy's memory. */
  readonly onOverBudget?: ((bucket: string, reason: BridgeError) => void) | undefined;
  /** Told when the policy's data is better put into a new instance. */
  readonly onWornOut?: ((policy: Policy) => void) | undefined;
  readonly logger?: Logger | undefined;
}

const RESULT_START = '[{"result":';
const RESULT_END = "}]";

function withReason(builtin: string): string {
  const reason = UNSUPPORTED_BUILTINS.get(builtin);
  return reason === undefined ? builtin : `${builtin} (${reason})`;
}

/** One bundle's policy: its instance, and the data resident in it. */
export class Policy {
  readonly bundle: Bundle;
  readonly module: PolicyModule;
  /** What all bundles that were active with it have brought. */
  readonly base: BaseData;
  /** The decisions that it was compiled for, by path. */
  readonly entrypoints: ReadonlyMap<string, number>;
  readonly #instance: WasmInstance;
  readonly #resident: ResidentData;
  readonly #options: PolicyOptions;
  #queries = 0;
  #retired = false;
  #closed = false;

  /**
   * Makes a policy ready to answer, with all watched data resident; nothing that runs waits for it.
   * Throws `BUNDLE_INVALID`, `POLICY_ABI`, `POLICY_BUILTIN_MISSING` or `BUCKET_OVER_BUDGET`.
   */
  static async load(
    bundle: Bundle,
    module: PolicyModule,
    base: BaseData,
    options: PolicyOptions,
  ): Promise<Policy> {
    const instance = await WasmInstance.create(module, options.maxMemoryBytes, options.limits);
    const missing = instance.requiredBuiltins.filter((name) => !options.builtins.has(name));
    if (missing.length > 0) {
      instance.release();
      throw new BridgeError(
        "POLICY_BUILTIN_MISSING",
        `The policy calls builtins that are not available here: ${missing.map(withReason).join(", ")}; write the policy without them.`,
      );
    }
    const policy = new Policy(bundle, module, base, instance, options);
    try {
      await policy.#resident.load();
    } catch (error) {
      policy.#resident.close();
      instance.release();
      throw error;
    }
    return policy;
  }

  private constructor(
    bundle: Bundle,
    module: PolicyModule,
    base: BaseData,
    instance: WasmInstance,
    options: PolicyOptions,
  ) {
    this.bundle = bundle;
    this.module = module;
    this.base = base;
    this.entrypoints = instance.entrypoints;
    this.#instance = instance;
    this.#options = options;
    this.#resident = this.#makeResident();
  }

  get residentFigures(): ResidentFigures {
    return this.#resident.figures();
  }

  /** Keeps the policy's data up to date for a query, also after the policy was retired; to be followed by `release`. */
  retain(): void {
    this.#queries++;
  }

  release(): void {
    this.#queries--;
    this.#closeWhenDone();
  }

  /** Another policy has taken over: this one ends with its last query, and leaves its memory to the next. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenDone();
  }

  /**
   * The decision's JSON text; undefined when it is undefined. Throws a `Suspension` when it needs a bucket that is
   * not there, or what aborted the evaluation.
   */
  evaluate(entrypoint: number, input: string | undefined, query: Query): string | undefined {
    this.#resident.sync();
    query.begin();
    let results: string;
    let native: string | undefined;
    try {
      results = this.#instance.evaluate(entrypoint, input, query, (name, args) =>
        this.#callBuiltin(name, args, query),
      );
      native = this.#instance.takeNativeFailure();
    } catch (error) {
      this.#instance.takeNativeFailure();
      // What an evaluation that lacks data comes to, an abort included, means nothing.
      throw query.suspension ?? error;
    }
    if (query.suspension !== undefined) throw query.suspension;
    if (native !== undefined) query.fail(native, "the arguments are not what it takes");
    if (results === "[]") return undefined;
    return results.slice(RESULT_START.length, -RESULT_END.length);
  }

  /**
   * Nothing is thrown through the module, which would cost it some of its stack: a query that must wait, or has
   * failed, runs on with undefined answers, and its result is thrown away.
   */
  #callBuiltin(name: string, args: readonly string[], query: Query): string | undefined {
    if (query.isOver) return undefined;
    try {
      return this.#options.builtins.get(name)!(args, query);
    } catch (error) {
      if (error instanceof Suspension) query.suspend(error);
      else query.fail(name, messageOf(error));
      return undefined;
    }
  }

  #makeResident(): ResidentData {
    const { store, slices, logger = silentLogger, onOverBudget, onWornOut } = this.#options;
    const { base } = this;
    const instance = this.#instance;
    if (!DataHeap.supports(instance)) {
      logger.warn(
        { abi: `1.${instance.minorVersion}` },
        "the policy's module can't be patched, so every change costs time in proportion to all data; build it with OPA 0.53 or later",
      );
      return new ReplacedData(instance, store, base);
    }
    return new PatchedData({
      instance,
      store,
      base,
      slices,
      ...(onOverBudget && { onOverBudget }),
      onWornOut: (reason) => {
        const { mode } = this.#resident.figures();
        const level = mode === "patched" ? "info" : "warn";
        logger[level]({}, `the policy's data is put into a new instance: ${reason}`);
        onWornOut?.(this);
      },
    });
  }

  #closeWhenDone(): void {
    if (!this.#retired || this.#queries > 0 || this.#closed) return;
    this.#closed = true;
    this.#resident.close();
    this.#instance.release();
  }
}
