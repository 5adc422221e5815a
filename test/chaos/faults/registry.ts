import { bucketFaults } from "./buckets.ts";
import { clockFaults } from "./clock.ts";
import { credentialFaults } from "./credentials.ts";
import type { Fault } from "./fault.ts";
import { networkFaults } from "./network.ts";
import { serverFaults } from "./servers.ts";

/** Every fault there is. */
export const faults: readonly Fault[] = [
  ...serverFaults,
  ...networkFaults,
  ...bucketFaults,
  ...credentialFaults,
  ...clockFaults,
];

export function faultNamed(name: string): Fault {
  const fault = faults.find((candidate) => candidate.name === name);
  if (fault !== undefined) return fault;
  throw new Error(
    `there is no fault "${name}"; there are: ${faults.map((f) => f.name).join(", ")}`,
  );
}
