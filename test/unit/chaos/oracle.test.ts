import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Oracle } from "../../chaos/oracle.ts";
import { EXPIRY_MS } from "../../chaos/promises.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Whether a value may be answered now by who has heard nothing for so long. */
function allows(oracle: Oracle, value: number | null, blindMs: number): boolean {
  const now = performance.now();
  return oracle.allows("b", "k", value, { since: now - blindMs, asked: now, answered: now });
}

describe("what the chaos harness takes for true", () => {
  it("C1 is what NATS has acknowledged, and what was so while the bridge could not know better", () => {
    const oracle = new Oracle();
    oracle.begin("b", "k", 1).acknowledged();
    vi.advanceTimersByTime(1_000);
    oracle.begin("b", "k", 2).acknowledged();
    vi.advanceTimersByTime(1_000);
    expect(allows(oracle, 2, 0)).toBe(true);
    expect(allows(oracle, 1, 500)).toBe(false);
    expect(allows(oracle, 1, 1_500)).toBe(true);
    expect(allows(oracle, null, 1_500)).toBe(false);
  });

  it("C3 who has not heard of a later value may have ended the one before on time, and no sooner", () => {
    const oracle = new Oracle();
    // May be gone from here on, and up to twice as much later.
    const goneMs = 2_000;
    oracle.begin("b", "k", 1, goneMs + EXPIRY_MS).acknowledged();
    vi.advanceTimersByTime(1_000);
    oracle.begin("b", "k", 2).acknowledged();
    vi.advanceTimersByTime(goneMs - 1_001);
    expect(allows(oracle, null, 1_100)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(allows(oracle, null, 1_100)).toBe(true);
    // The first value has been replaced for longer than this bridge can be blind.
    expect(allows(oracle, null, 900)).toBe(false);
  });

  it("C3 is what a restart has brought back, from the restart on and no sooner", () => {
    const oracle = new Oracle();
    oracle.begin("b", "k", 1).acknowledged();
    oracle.begin("b", "k", null).acknowledged();
    vi.advanceTimersByTime(1_000);
    const restored = performance.now();
    vi.advanceTimersByTime(1_000);
    oracle.observed("b", "k", 1, restored);
    const at = (moment: number): boolean =>
      oracle.allows("b", "k", 1, { since: moment, asked: moment, answered: moment });
    expect(at(restored - 1)).toBe(false);
    expect(at(restored)).toBe(true);
    expect(allows(oracle, 1, 0)).toBe(true);
    vi.advanceTimersByTime(1_000);
    expect(allows(oracle, null, 900)).toBe(false);
  });

  it("C3 what a restart has brought back ends when it would have ended", () => {
    const oracle = new Oracle();
    // May be gone from here on, and up to twice as much later.
    const goneMs = 2_000;
    oracle.begin("b", "k", 1, goneMs + EXPIRY_MS).acknowledged();
    oracle.begin("b", "k", null).acknowledged();
    vi.advanceTimersByTime(goneMs - 1_000);
    oracle.observed("b", "k", 1, performance.now());
    vi.advanceTimersByTime(999);
    expect(allows(oracle, null, 900)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(allows(oracle, null, 900)).toBe(true);
    vi.advanceTimersByTime(3 * EXPIRY_MS);
    expect(allows(oracle, 1, 0)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(allows(oracle, 1, 0)).toBe(false);
  });

  it("C3 what a restart has brought back may have ended before anybody asked, if that was its time", () => {
    const oracle = new Oracle();
    oracle.begin("b", "ending", 1, 3_000).acknowledged();
    oracle.begin("b", "lasting", 1).acknowledged();
    for (const key of ["ending", "lasting"]) oracle.begin("b", key, null).acknowledged();
    vi.advanceTimersByTime(2_500);
    const restored = performance.now();
    vi.advanceTimersByTime(1_000);
    for (const key of ["ending", "lasting"]) oracle.observed("b", key, null, restored);
    const at = (key: string, moment: number): boolean =>
      oracle.allows("b", key, 1, { since: moment, asked: moment, answered: moment });
    expect(at("ending", restored - 1)).toBe(false);
    expect(at("ending", restored)).toBe(true);
    expect(at("lasting", restored)).toBe(false);
  });
});
