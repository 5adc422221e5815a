import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limitedSignal } from "../../../src/common/limited-signal.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a signal with a limit", () => {
  it("aborts with its parent, with its time, or when told to, and says which", () => {
    const parent = new AbortController();
    const early = limitedSignal(parent.signal, 1_000);
    const late = limitedSignal(parent.signal, 1_000);
    const told = limitedSignal(parent.signal, 5_000);
    told.abort();
    expect(told).toMatchObject({ signal: { aborted: true }, timedOut: false });
    parent.abort();
    expect(early).toMatchObject({ signal: { aborted: true }, timedOut: false });
    expect(limitedSignal(parent.signal, 1_000).signal.aborted).toBe(true);
    const other = limitedSignal(new AbortController().signal, 1_000);
    vi.advanceTimersByTime(1_000);
    expect(other).toMatchObject({ signal: { aborted: true }, timedOut: true });
    late.release();
  });

  it("O67 leaves no timer and no listener behind", () => {
    const parent = new AbortController();
    const listeners = vi.spyOn(parent.signal, "removeEventListener");
    for (let round = 0; round < 10; round++) limitedSignal(parent.signal, 1_000).release();
    expect(vi.getTimerCount()).toBe(0);
    expect(listeners).toHaveBeenCalledTimes(10);
  });
});
