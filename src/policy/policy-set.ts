import { mergeObjects } from "../common/json-text.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { ReservedPaths } from "../store/reserved-paths.ts";
import { BridgeError, quote } from "../errors.ts";
import { BaseData } from "./base-data.ts";
import type { ActivePolicy, ResidentFigures } from "./active-policy.ts";
import type { Bundle } from "./bundle.ts";
import { Policy, type PolicyOptions } from "./policy.ts";
import { PolicyModule } from "./policy-module.ts";
import { checkRoots, rootOf } from "./roots.ts";

/** Where a path of `data` is answered from: an entrypoint and what remains of the path, or base documents. */
export interface Target {
  readonly entrypoint?: { readonly policy: Policy; readonly number: number };
  readonly rest: readonly string[];
}

/**
 * The bundles that are active together. Each one with a policy is a WebAssembly module of its own, which sees the
 * watched buckets and the data of all bundles, but not the rules of another. It never changes: another set takes
 * over as a whole.
 */
export class PolicySet implements ActivePolicy {
  readonly bundles: ReadonlyMap<string, Bundle>;
  readonly revisions: ReadonlyMap<string, string>;
  readonly #policies: ReadonlyMap<string, Policy>;
  /** What all of them bring together. */
  readonly base: BaseData;
  readonly #store: PolicyStore;
  readonly #targets: ReadonlyMap<string, Target>;

  /**
   * Makes a set ready to answer; nothing that runs waits for it. Policies that would be no different are taken over
   * from the set `before`, but for the one that is `worn`.
   *
   * Rejects with `BUNDLE_ROOTS`, `BUNDLE_INVALID`, `POLICY_ABI`, `POLICY_BUILTIN_MISSING` or `BUCKET_OVER_BUDGET`.
   */
  static async load(
    bundles: ReadonlyMap<string, Bundle>,
    options: PolicyOptions,
    before?: PolicySet,
    worn?: Policy,
  ): Promise<PolicySet> {
    checkRoots(bundles);
    for (const [name, { data }] of bundles) refuseNats(name, data);
    const data = fullData(bundles);
    const base = before?.holds(data) === true ? before.base : BaseData.merge(data);
    const policies = new Map<string, Policy>();
    const fresh: Policy[] = [];
    try {
      for (const [name, bundle] of bundles) {
        if (bundle.wasm === undefined) continue;
        let policy = before === undefined ? undefined : before.#policies.get(name);
        if (policy?.bundle !== bundle || policy.base !== base || policy === worn) {
          const module = await PolicyModule.prepare(bundle.wasm, policy?.module, options.slices);
          policy = await Policy.load(bundle, module, base, options);
          fresh.push(policy);
        }
        policies.set(name, policy);
      }
      return new PolicySet(bundles, policies, base, options.store);
    } catch (error) {
      for (const policy of fresh) policy.retire();
      throw error;
    }
  }

  private constructor(
    bundles: ReadonlyMap<string, Bundle>,
    policies: ReadonlyMap<string, Policy>,
    base: BaseData,
    store: PolicyStore,
  ) {
    this.bundles = bundles;
    this.revisions = new Map([...bundles].map(([name, { revision }]) => [name, revision]));
    this.#policies = policies;
    this.base = base;
    this.#store = store;
    const targets = new Map<string, Target>();
    for (const [name, policy] of policies) {
      for (const [path, number] of policy.entrypoints) {
        const other = targets.get(path)?.entrypoint?.policy;
        if (other !== undefined) throw claimedTwice(path, name);
        targets.set(path, { entrypoint: { policy, number }, rest: [] });
      }
    }
    this.#targets = targets;
  }

  get entrypoints(): string[] {
    return [...this.#targets.keys()];
  }

  /** What the root bucket may not touch: the bundles' packages and data, and the roots that they claim by name. */
  get reservedPaths(): ReservedPaths {
    const owners: { path: readonly string[]; owner: string }[] = [];
    for (const [name, bundle] of this.bundles) {
      const policy = `the policy of bundle ${quote(name)}`;
      for (const entrypoint of this.#policies.get(name)?.entrypoints.keys() ?? []) {
        const path = entrypoint.split("/");
        owners.push({ path: path.slice(0, Math.max(1, path.length - 1)), owner: policy });
      }
      for (const path of bundle.packages) owners.push({ path, owner: policy });
      const data = `the data of bundle ${quote(name)}`;
      for (const top of bundle.data.names) owners.push({ path: [top], owner: data });
      for (const path of bundle.roots.map(rootOf)) {
        if (path.length > 0) owners.push({ path, owner: `bundle ${quote(name)}` });
      }
    }
    return new ReservedPaths(owners);
  }

  get residentFigures(): ResidentFigures {
    const figures = [...this.#policies.values()].map((policy) => policy.residentFigures);
    const sum = (read: (one: ResidentFigures) => number): number =>
      figures.reduce((total, one) => total + read(one), 0);
    return {
      mode: figures.some(({ mode }) => mode === "replaced") ? "replaced" : "patched",
      heapBytes: sum(({ heapBytes }) => heapBytes),
      maxBytes: sum(({ maxBytes }) => maxBytes),
      wasteObjects: sum(({ wasteObjects }) => wasteObjects),
    };
  }

  /** Whether this is all the data of its bundles. */
  holds(data: readonly BaseData[]): boolean {
    const own = fullData(this.bundles);
    return own.length === data.length && own.every((one) => data.includes(one));
  }

  /** Whether a policy of this set is this one. */
  has(policy: Policy): boolean {
    return [...this.#policies.values()].includes(policy);
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
    return { rest: segments };
  }

  /** Data that no policy computes: the watched buckets and the bundles' own. */
  baseDocument(path: readonly string[]): string | undefined {
    const own = this.base.text(path);
    const watched = this.#store.text(path);
    if (own === undefined || watched === undefined) return own ?? watched;
    return own.startsWith("{") && watched.startsWith("{") ? mergeObjects(watched, own) : own;
  }

  /** Another set has taken over: the policies that are not in it end with their last query. */
  retire(next?: PolicySet): void {
    for (const policy of this.#policies.values()) if (next?.has(policy) !== true) policy.retire();
  }
}

function fullData(bundles: ReadonlyMap<string, Bundle>): BaseData[] {
  return [...bundles.values()].map(({ data }) => data).filter((data) => !data.isEmpty);
}

function refuseNats(name: string, data: BaseData): void {
  if (!data.names.has("nats")) return;
  throw new BridgeError(
    "BUNDLE_ROOTS",
    `Bundle ${quote(name)} has data at data.nats, which belongs to the watched buckets; move it elsewhere.`,
  );
}

function claimedTwice(path: string, name: string): BridgeError {
  return new BridgeError(
    "BUNDLE_ROOTS",
    `The decision ${quote(path)} of bundle ${quote(name)} is in another bundle too; give each bundle roots of its own in its .manifest.`,
  );
}
