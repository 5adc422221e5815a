import type { BucketPlan } from "./bucket.ts";
import { faults } from "./faults/registry.ts";
import { Random } from "./random.ts";

/** Faults of one lane come one after the other; those of different lanes at the same time. */
export const LANES = ["servers", "network", "buckets"] as const;
export type Lane = (typeof LANES)[number];

export interface Step {
  readonly fault: string;
  /** How long to wait before it, in milliseconds. */
  readonly afterMs: number;
  readonly seed: number;
}

/** One run: what there is, and what will happen to it. A pure function of its seed and the faults to choose from. */
export interface Plan {
  readonly seed: number;
  readonly nodes: 1 | 3;
  readonly buckets: readonly BucketPlan[];
  readonly bridges: readonly BridgePlan[];
  readonly steps: Readonly<Record<Lane, readonly Step[]>>;
}

export interface BridgePlan {
  readonly name: string;
  /** The name of its root bucket, or "". */
  readonly root: string;
  /** The bucket whose copy may not get older than `STRICT_MS`, or "". */
  readonly strict: string;
  /** What happens when it does. */
  readonly onStale: StaleAction;
}

export type StaleAction = "serve" | "flag" | "hide" | "unavailable";
const ACTIONS: readonly StaleAction[] = ["unavailable", "hide", "flag", "serve"];

/** One run in this many has a cluster, whose elections take long. */
const CLUSTER_EVERY = 6;

/** Draws a run. `names` are the faults to choose from; with `faultsInOne` so many happen, to one server. */
export function planOf(seed: number, names: ReadonlySet<string>, faultsInOne = 0): Plan {
  const random = new Random(seed);
  const nodes = faultsInOne === 0 && seed % CLUSTER_EVERY === CLUSTER_EVERY - 1 ? 3 : 1;
  const buckets = Array.from({ length: random.int(2, 4) }, (_, index): BucketPlan => {
    const memory = index > 0 && random.chance(0.3);
    const maxAgeMs = random.chance(0.2) ? random.int(1_000, 4_000) : Infinity;
    const history = random.chance(0.7) ? 1 : random.int(2, 5);
    return {
      name: `chaos-${index}`,
      keys: random.int(5, 30),
      history,
      maxAgeMs,
      // Where there are older values, they come back when the last one expires.
      ownTtl: random.chance(0.3) && history === 1,
      storage: memory ? "memory" : "file",
      replicas: nodes,
    };
  });
  const bridges = Array.from({ length: random.int(1, 3) }, (_, index) => ({
    name: `bridge-${index}`,
    root: random.chance(0.3) ? random.pick(buckets).name : "",
    strict: random.chance(0.5) ? random.pick(buckets).name : "",
    onStale: ACTIONS[(seed + index) % ACTIONS.length]!,
  }));
  const steps = { servers: [], network: [], buckets: [] } as Record<Lane, Step[]>;
  const counts = nodes === 3 ? [1, 2] : [0, 2];
  for (const lane of LANES) {
    const fitting = faults.filter(
      (fault) => fault.lane === lane && names.has(fault.name) && fault.nodes.includes(nodes),
    );
    if (fitting.length === 0) continue;
    const usual = lane === "servers" ? random.int(counts[0]!, counts[1]!) : random.int(1, 3);
    const count = faultsInOne === 0 ? usual : Math.ceil(faultsInOne / LANES.length);
    for (let index = 0; index < count; index++) {
      steps[lane].push({
        fault: random.pick(fitting).name,
        afterMs: random.int(50, 600),
        seed: random.seed(),
      });
    }
  }
  return { seed, nodes, buckets, bridges, steps };
}
