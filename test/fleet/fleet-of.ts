import { Random } from "../chaos/random.ts";

/** Where everything is when a node is lost. Nodes are numbered from 0. */
export interface FleetLayout {
  readonly nodes: number;
  /** The node that leads JetStream. */
  readonly meta: number;
  readonly buckets: readonly {
    readonly keys: number;
    /** The node that leads the bucket's stream. */
    readonly leader: number;
    /** In each second. */
    readonly updates: number;
  }[];
  readonly bridges: readonly {
    readonly node: number;
    /** Where each bucket's consumer is. */
    readonly consumers: readonly number[];
  }[];
}

/** A fleet as chance lays it out, where every bridge watches every bucket. */
export function layOut(
  {
    bridges,
    buckets,
    keys,
    updates,
  }: { bridges: number; buckets: number; keys: number; updates: number },
  nodes: number,
  seed: number,
): FleetLayout {
  const random = new Random(seed);
  const node = (): number => random.int(0, nodes - 1);
  return {
    nodes,
    meta: node(),
    buckets: Array.from({ length: buckets }, () => ({ keys, leader: node(), updates })),
    bridges: Array.from({ length: bridges }, () => ({
      node: node(),
      consumers: Array.from({ length: buckets }, node),
    })),
  };
}
