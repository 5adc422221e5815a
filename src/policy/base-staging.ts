import type { Slices } from "../common/slices.ts";
import { BridgeError, messageOf } from "../errors.ts";
import type { BaseData } from "./base-data.ts";
import type { DataHeap } from "./data-heap.ts";
import { LOAD_SHARE } from "./policy-memory.ts";
import { StagedParts } from "./staging.ts";
import type { WasmInstance } from "./wasm-instance.ts";

/**
 * Puts the bundles' data into a policy's memory, a slice at a time. The answer makes it visible, within a session.
 * Rejects with `BUNDLE_INVALID` when it does not fit in.
 */
export async function stageBase(
  heap: DataHeap,
  slices: Slices,
  base: BaseData,
  { memory, dataAddress }: WasmInstance,
): Promise<() => void> {
  const staged = new StagedParts(heap, base.parts(), true);
  try {
    await slices.run((end) => {
      const done = heap.session(() => staged.slice(end));
      if (heap.end > memory.maxBytes * LOAD_SHARE) throw new RangeError("it is too large");
      return done;
    });
  } catch (error) {
    throw new BridgeError(
      "BUNDLE_INVALID",
      `The bundles' data does not fit into the policy's memory of ${memory.maxBytes} bytes (${messageOf(error)}); raise plugins.nats.max_policy_memory, or make it smaller.`,
      { cause: error },
    );
  }
  return () => {
    for (const [name, value] of staged.tops) heap.link(dataAddress, [name], value);
  };
}
