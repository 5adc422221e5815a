import type { Lane } from "../plan.ts";
import type { Random } from "../random.ts";
import type { World } from "../world.ts";

/** Something that goes wrong, and is right again when the promise resolves. */
export interface Fault {
  readonly name: string;
  readonly lane: Lane;
  /** The sizes of the clusters in which it can happen. */
  readonly nodes: readonly (1 | 3)[];
  /** What it picks and how long it takes comes from `random`. Tells the world's blindness whom it keeps from knowing. */
  run(world: World, random: Random): Promise<void>;
}
