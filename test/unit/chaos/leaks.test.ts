import { describe, expect, it } from "vitest";
import { growth, isLeak, type Sample } from "../../chaos/leaks.ts";

/** A sample after every ten faults. */
function samples(from: number, to: number, bytes: (faults: number) => number): Sample[] {
  const taken: Sample[] = [];
  for (let faults = from; faults <= to; faults += 10) {
    taken.push({ faults, bytes: bytes(faults), memories: 0 });
  }
  return taken;
}

describe("what the chaos harness takes for a leak", () => {
  it("is what grows after the first quarter of the faults", () => {
    const filling = growth(samples(10, 500, (faults) => Math.min(faults, 130) * 100_000));
    expect(filling.bytesPerFault).toBe(0);
    const leaking = growth(samples(10, 500, (faults) => faults * 5_000));
    expect(leaking.bytesPerFault).toBeGreaterThan(4_500);
    expect(isLeak(leaking)).toBe(true);
  });

  it("loses no sample where there is none of the first quarter", () => {
    const late = samples(200, 500, (faults) => faults * 5_000);
    expect(growth(late)).toEqual({ faults: 300, bytesPerFault: 5_000, memories: 0 });
  });
});
