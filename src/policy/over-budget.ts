import { BridgeError, messageOf, quote } from "../errors.ts";

/** Memory that can't be had shows as a RangeError of the engine or as a trap; both mean the same here. */
export function overBudget(bucket: string, error: unknown): BridgeError {
  if (error instanceof BridgeError) return error;
  return new BridgeError(
    "BUCKET_OVER_BUDGET",
    `Bucket ${quote(bucket)} could not be put into the policy's memory (${messageOf(error)}); raise plugins.nats.max_policy_memory.`,
    { cause: error },
  );
}
