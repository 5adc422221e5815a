import { mergeObjects, textAt } from "../common/json-text.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, messageOf } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { ReservedPaths } from "../store/reserved-paths.ts";
import type { BuiltinRegistry } from "./builtins/registry.ts";
import type { Bundle } from "./bundle.ts";
import { DataHeap } from "./data-heap.ts";
import { PatchedData } from "./patched-data.ts";
import { type Query, Suspension } from "./query.ts";
import { ReplacedData, type ResidentData, type ResidentFigures } from "./resident-data.ts";
import { WasmInstance } from "./wasm-instance.ts";

/** Where a path of `data` is answered from: an entrypoint and what remains of the path, or base documents. */
export interface Target {
  readonly entrypoint: number | undefined;
  readonly rest: readonly string[];
}

export interface PolicyOptions {
  readonly store: PolicyStore;
  readonly builtins: BuiltinRegistry;
  /** The most that the policy's memory may grow to, in bytes; reserved, not used, from the start. */
  readonly maxMemoryBytes: number;
  /** How long a slice of a load may keep the event loop, in milliseconds. */
  readonly sliceMs?: number | undefined;
  /** Told when a bucket has outgrown the policy's memory. */
  readonly onOverBudget?: ((bucket: string, reason: BridgeError) => void) | undefined;
  /** Told when the policy's data is better put into a new instance. */
  readonly onWornOut?: ((policy: Policy) => void) | undefined;
  readonly logger?: Logger | undefined;
}

const RESULT_START = '[{"result":';
const RESULT_END = "}]";

/** One activated bundle: its instance, and its data resident in it. */
export class Policy {
  readonly bundle: Bundle;
  readonly #instance: WasmInstance;
  readonly #resident: ResidentData;
  readonly #options: PolicyOptions;
  readonly #targets: ReadonlyMap<string, Target>;
  #queries = 0;
  #retired = false;

  /**
   * Makes a policy ready to answer, with all watched data resident; nothing that runs waits for it.
   * Throws `BUNDLE_INVALID`, `POLICY_ABI`, `POLICY_BUILTIN_MISSING` or `BUCKET_OVER_BUDGET`.
   */
  static async load(bundle: Bundle, options: PolicyOptions): Promise<Policy> {
    const instance = await WasmInstance.create(bundle.wasm, options.maxMemoryBytes);
    const missing = instance.requiredBuiltins.filter((name) => !options.builtins.has(name));
    if (missing.length > 0) {
      throw new BridgeError(
        "POLICY_BUILTIN_MISSING",
        `The policy calls builtins that are not available here: ${missing.join(", ")}; write the policy without them.`,
      );
    }
    if (textAt(bundle.data, ["nats"]) !== undefined) {
      throw new BridgeError(
        "BUNDLE_INVALID",
        "The bundle has data at data.nats, where the watched buckets stand; move it elsewhere.",
      );
    }
    const policy = new Policy(bundle, instance, options);
    try {
      await policy.#resident.load();
    } catch (error) {
      policy.#resident.close();
      throw error;
    }
    return policy;
  }

  private constructor(bundle: Bundle, instance: WasmInstance, options: PolicyOptions) {
    this.bundle = bundle;
    this.#instance = instance;
    this.#options = options;
    this.#targets = new Map(
      [...instance.entrypoints].map(([path, entrypoint]) => [path, { entrypoint, rest: [] }]),
    );
    this.#resident = this.#makeResident();
  }

  /** The paths of the decisions that this policy was compiled for. */
  get entrypoints(): string[] {
    return [...this.#instance.entrypoints.keys()];
  }

  /** What the root bucket may not touch: the packages, and the bundle's own data. */
  get reservedPaths(): ReservedPaths {
    const policy = "the policy";
    const entrypoints = this.entrypoints.map((entrypoint) => entrypoint.split("/"));
    const data = "the bundle's data";
    const names = Object.keys(JSON.parse(this.bundle.data) as object);
    return new ReservedPaths([
      ...entrypoints.map((path) => ({
        path: path.slice(0, Math.max(1, path.length - 1)),
        owner: policy,
      })),
      ...this.bundle.packages.map((path) => ({ path, owner: policy })),
      ...names.map((name) => ({ path: [name], owner: data })),
    ]);
  }

  get residentFigures(): ResidentFigures {
    return this.#resident.figures();
  }

  /** A path's entrypoint: itself, or the longest one above it. Segments that hold a slash come in an array. */
  target(path: string | readonly string[]): Target {
    const direct = typeof path === "string" ? this.#targets.get(path) : undefined;
    if (direct !== undefined) return direct;
    const segments =
      typeof path === "string" ? path.split("/").filter((segment) => segment !== "") : path;
    // An entrypoint's name has slashes between its segments, and none within one.
    const slash = segments.findIndex((segment) => segment.includes("/"));
    for (let length = slash < 0 ? segments.length : slash; length > 0; length--) {
      const above = this.#targets.get(segments.slice(0, length).join("/"));
      if (above !== undefined) return { ...above, rest: segments.slice(length) };
    }
    return { entrypoint: undefined, rest: segments };
  }

  /** Data that no policy computes: the watched buckets and the bundle's own. */
  baseDocument(path: readonly string[]): string | undefined {
    const own = textAt(this.bundle.data, path);
    const watched = this.#options.store.text(path);
    if (own === undefined || watched === undefined) return own ?? watched;
    return own.startsWith("{") && watched.startsWith("{") ? mergeObjects(own, watched) : own;
  }

  /** Keeps the policy's data up to date for a query, also after the policy was retired; to be followed by `release`. */
  retain(): void {
    this.#queries++;
  }

  release(): void {
    this.#queries--;
    this.#closeWhenDone();
  }

  /** Another policy has taken over: this one ends with its last query. */
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
    try {
      results = this.#instance.evaluate(entrypoint, input, (name, args) =>
        this.#callBuiltin(name, args, query),
      );
    } catch (error) {
      // What an evaluation that lacks data comes to, an abort included, means nothing.
      throw query.suspension ?? error;
    }
    if (query.suspension !== undefined) throw query.suspension;
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
    const { store, sliceMs, logger = silentLogger, onOverBudget, onWornOut } = this.#options;
    const { data: bundleData } = this.bundle;
    const instance = this.#instance;
    if (!DataHeap.supports(instance)) {
      logger.warn(
        { abi: `1.${instance.minorVersion}` },
        "the policy's module can't be patched, so every change costs time in proportion to all data; build it with OPA 0.61 or later",
      );
      return new ReplacedData(instance, store, bundleData);
    }
    return new PatchedData({
      instance,
      store,
      bundleData,
      sliceMs,
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
    if (this.#retired && this.#queries === 0) this.#resident.close();
  }
}
