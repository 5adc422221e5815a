import type { Bundle } from "./bundle.ts";

/** What the data in an instance's memory amounts to. */
export interface ResidentFigures {
  /** `patched`: changed in place. `replaced`: handed over anew after each change, for modules that can do no better. */
  readonly mode: "patched" | "replaced";
  /** From the start of memory to where the data ends, in bytes. */
  readonly heapBytes: number;
  /** What the memory may grow to, in bytes. */
  readonly maxBytes: number;
  /** Objects that are out of sight and wait to be freed. */
  readonly wasteObjects: number;
}

/** The bundles that answer decisions together, for whoever asks the engine what is active. It never changes. */
export interface ActivePolicy {
  /** By name. */
  readonly bundles: ReadonlyMap<string, Bundle>;
  /** The revision of each bundle, by its name. */
  readonly revisions: ReadonlyMap<string, string>;
  /** The paths of the decisions that the policies were compiled for. */
  readonly entrypoints: readonly string[];
  /** The copies of the data in the memory of all its policies together; the mode is the worst one. */
  readonly residentFigures: ResidentFigures;
}
