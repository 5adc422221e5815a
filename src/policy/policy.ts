import { mergeObjects, textAt } from "../common/json-text.ts";
import { BridgeError, messageOf } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { ReservedPaths } from "../store/reserved-paths.ts";
import type { BuiltinRegistry } from "./builtins/registry.ts";
import type { Bundle } from "./bundle.ts";
import { type Query, Suspension } from "./query.ts";
import { ReplacedData, type ResidentData } from "./resident-data.ts";
import { PolicyAbort, WasmInstance } from "./wasm-instance.ts";

/** Where a path of `data` is answered from: an entrypoint and what remains of the path, or base documents. */
export interface Target {
  readonly entrypoint: number | undefined;
  readonly rest: readonly string[];
}

const RESULT_START = '[{"result":';
const RESULT_END = "}]";

/** One activated bundle: its instance, and its data resident in it. */
export class Policy {
  readonly revision: string;
  readonly #instance: WasmInstance;
  readonly #resident: ResidentData;
  readonly #builtins: BuiltinRegistry;
  readonly #store: PolicyStore;
  readonly #bundle: Bundle;
  readonly #targets: ReadonlyMap<string, Target>;

  /** Throws `BUNDLE_INVALID`, `POLICY_ABI` or `POLICY_BUILTIN_MISSING`. */
  static async load(
    bundle: Bundle,
    store: PolicyStore,
    builtins: BuiltinRegistry,
  ): Promise<Policy> {
    let module: WebAssembly.Module;
    try {
      module = await WebAssembly.compile(bundle.wasm as BufferSource);
    } catch (error) {
      throw new BridgeError(
        "BUNDLE_INVALID",
        `The policy is not a WebAssembly module (${messageOf(error)}); build it anew.`,
        { cause: error },
      );
    }
    const instance = await WasmInstance.create(module);
    const missing = instance.requiredBuiltins.filter((name) => !builtins.has(name));
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
    return new Policy(bundle, instance, store, builtins);
  }

  private constructor(
    bundle: Bundle,
    instance: WasmInstance,
    store: PolicyStore,
    builtins: BuiltinRegistry,
  ) {
    this.revision = bundle.revision;
    this.#bundle = bundle;
    this.#instance = instance;
    this.#store = store;
    this.#builtins = builtins;
    this.#targets = new Map(
      [...instance.entrypoints].map(([path, entrypoint]) => [path, { entrypoint, rest: [] }]),
    );
    this.#resident = new ReplacedData(instance, store, bundle.data);
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
    const names = Object.keys(JSON.parse(this.#bundle.data) as object);
    return new ReservedPaths([
      ...entrypoints.map((path) => ({
        path: path.slice(0, Math.max(1, path.length - 1)),
        owner: policy,
      })),
      ...this.#bundle.packages.map((path) => ({ path, owner: policy })),
      ...names.map((name) => ({ path: [name], owner: data })),
    ]);
  }

  /** A path's entrypoint: itself, or the longest one above it. Segments that hold a slash come in an array. */
  target(path: string | readonly string[]): Target {
    const direct = typeof path === "string" ? this.#targets.get(path) : undefined;
    if (direct !== undefined) return direct;
    const segments =
      typeof path === "string" ? path.split("/").filter((segment) => segment !== "") : path;
    for (let length = segments.length; length > 0; length--) {
      const above = this.#targets.get(segments.slice(0, length).join("/"));
      if (above !== undefined) return { ...above, rest: segments.slice(length) };
    }
    return { entrypoint: undefined, rest: segments };
  }

  /** Data that no policy computes: the watched buckets and the bundle's own. */
  baseDocument(path: readonly string[]): string | undefined {
    const own = textAt(this.#bundle.data, path);
    const watched = this.#store.text(path);
    if (own === undefined || watched === undefined) return own ?? watched;
    return own.startsWith("{") && watched.startsWith("{") ? mergeObjects(own, watched) : own;
  }

  /** The decision's JSON text; undefined when it is undefined. Throws what stopped the evaluation. */
  evaluate(entrypoint: number, input: string | undefined, query: Query): string | undefined {
    this.#resident.sync();
    query.failure = undefined;
    const results = this.#instance.evaluate(entrypoint, input, (name, args) =>
      this.#callBuiltin(name, args, query),
    );
    if (results === "[]") return undefined;
    return results.slice(RESULT_START.length, -RESULT_END.length);
  }

  #callBuiltin(name: string, args: readonly string[], query: Query): string | undefined {
    try {
      return this.#builtins.get(name)!(args, query);
    } catch (error) {
      if (error instanceof Suspension || error instanceof PolicyAbort) throw error;
      query.failure ??= { builtin: name, message: messageOf(error) };
      return undefined;
    }
  }
}
