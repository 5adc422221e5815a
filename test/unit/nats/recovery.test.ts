import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { collectGarbage } from "../../support/memory.ts";
import { Recovery, type RecoveryOptions } from "../../../src/nats/recovery.ts";

const DOWN = new Error("down");

/** A recovery whose attempts fail until told otherwise, with waits of 0.75 of their base. */
function recovery(options: Partial<RecoveryOptions> = {}) {
  const state = { up: false, attempts: 0, waits: [] as number[], gaveUp: [] as unknown[] };
  const made = new Recovery({
    attempt: async () => {
      state.attempts++;
      if (!state.up) throw DOWN;
    },
    maxFailures: -1,
    minWaitMs: 500,
    maxWaitMs: 30_000,
    onFailure: (_, waitMs) => void state.waits.push(waitMs),
    onGiveUp: (error) => void state.gaveUp.push(error),
    random: () => 0.5,
    ...options,
  });
  return { made, state };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe("a recovery", () => {
  test("R10 a lost connection is made again at once", async () => {
    const { made, state } = recovery();
    state.up = true;
    made.lost(DOWN, true);
    await settle();
    expect(state.attempts).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("O1 O33 R19 waits from 0.5 s to 30 s, half of it random, and tries for ever", async () => {
    for (const [random, factor] of [
      [0, 0.5],
      [0.999_999, 1],
    ] as const) {
      const { made, state } = recovery({ random: () => random });
      made.lost(DOWN, true);
      await vi.advanceTimersByTimeAsync(3_600_000);
      const bases = state.waits.map((ms) => ms / factor);
      expect(bases.slice(0, 7).map(Math.round)).toEqual([
        500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000,
      ]);
      expect(new Set(bases.slice(6).map(Math.round))).toEqual(new Set([30_000]));
      expect(state.attempts).toBeGreaterThanOrEqual(120);
      expect(state.gaveUp).toEqual([]);
      made.stop();
    }
  });

  test("R16 runs on each tick, and ends when there is a connection", async () => {
    const { made, state } = recovery();
    made.begin();
    await settle();
    expect(state.attempts).toBe(1);
    await vi.advanceTimersByTimeAsync(374);
    expect(state.attempts).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(state.attempts).toBe(2);
    state.up = true;
    await vi.advanceTimersByTimeAsync(750);
    expect(state.attempts).toBe(3);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state.attempts).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("R9 R16 nothing ticks after stop, and nobody is told", async () => {
    const { made, state } = recovery({ maxFailures: 2 });
    made.begin();
    await settle();
    made.stop();
    made.stop();
    expect(vi.getTimerCount()).toBe(0);
    made.begin();
    made.lost(DOWN, false);
    expect(await made.step()).toBe(false);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state).toMatchObject({ attempts: 1, gaveUp: [] });
    expect(state.waits).toHaveLength(1);
  });

  test("O51 R9 stop during an attempt: its failure is no failure, and no giving up", async () => {
    const trying = deferred();
    const { made, state } = recovery({ attempt: () => trying.promise, maxFailures: 1 });
    made.begin();
    await settle();
    made.stop();
    trying.reject(DOWN);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state).toMatchObject({ waits: [], gaveUp: [] });
  });

  test("R6 R7 R15 a step is a method; steps and ticks at once are one attempt", async () => {
    const trying = deferred();
    let attempts = 0;
    const { made } = recovery({
      attempt: () => {
        attempts++;
        return trying.promise;
      },
    });
    made.begin();
    const steps = [made.step(), made.step()];
    await vi.advanceTimersByTimeAsync(600_000);
    expect(attempts).toBe(1);
    trying.resolve();
    expect(await Promise.all(steps)).toEqual([true, true]);
    await settle();
    expect(attempts).toBe(1);
  });

  test("R8 R14 an attempt that throws, even at once, is tried again", async () => {
    let attempts = 0;
    const { made } = recovery({
      attempt: () => {
        if (++attempts < 3) throw DOWN;
        return Promise.resolve();
      },
    });
    expect(await made.step()).toBe(false);
    made.begin();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(attempts).toBe(3);
  });

  test("O2 O35 O47 what is down at the start is tried within the budget", async () => {
    const { made, state } = recovery({ maxFailures: 4 });
    made.begin();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(state.attempts).toBe(3);
    state.up = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state).toMatchObject({ attempts: 4, gaveUp: [] });
  });

  test("O3 O31 after that many failures in a row it gives up, once", async () => {
    const { made, state } = recovery({ maxFailures: 3 });
    made.lost(DOWN, true);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state).toMatchObject({ attempts: 3, gaveUp: [DOWN] });
    made.lost(DOWN, true);
    made.lost(DOWN, false);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state).toMatchObject({ attempts: 3, gaveUp: [DOWN] });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("O3 with a budget of none a lost connection is given up at once", async () => {
    const { made, state } = recovery({ maxFailures: 0 });
    made.lost(DOWN, true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state).toMatchObject({ attempts: 0, gaveUp: [DOWN] });
  });

  test("O4 O20 O50 connects that close at once wait longer and longer, and spend the budget", async () => {
    const { made, state } = recovery({ maxFailures: 5 });
    state.up = true;
    for (let flap = 1; flap <= 5; flap++) {
      expect(state.gaveUp).toEqual([]);
      made.lost(DOWN, false);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(state.attempts).toBe(Math.min(flap, 4));
    }
    expect(state.waits).toEqual([375, 750, 1_500, 3_000]);
    expect(state.gaveUp).toEqual([DOWN]);
  });

  test("O4 O63 only a sustained connection begins the count anew", async () => {
    const { made, state } = recovery({ maxFailures: 3 });
    state.up = true;
    for (let round = 0; round < 10; round++) {
      made.lost(DOWN, false);
      await vi.advanceTimersByTimeAsync(60_000);
      made.lost(DOWN, false);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(made.failures).toBe(2);
      made.lost(DOWN, true);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(made.failures).toBe(0);
    }
    expect(state.gaveUp).toEqual([]);
    expect(state.attempts).toBe(30);
  });

  test("R3 R4 O11 O19 O45 O46 losses during a recovery make it run exactly once more", async () => {
    const attempts: (() => void)[] = [];
    const { made } = recovery({
      attempt: () => new Promise((resolve) => attempts.push(resolve)),
    });
    made.lost(DOWN, true);
    await settle();
    expect(attempts).toHaveLength(1);
    made.lost(DOWN, true);
    made.lost(DOWN, true);
    await settle();
    expect(attempts).toHaveLength(1);
    attempts[0]!();
    await settle();
    expect(attempts).toHaveLength(2);
    attempts[1]!();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(attempts).toHaveLength(2);
  });

  test("R19 a wait ends early when there is reason to, and only the wait under way", async () => {
    const wakes: (() => void)[] = [];
    const { made, state } = recovery({
      wake: () => new Promise<void>((resolve) => wakes.push(resolve)),
    });
    made.begin();
    await settle();
    expect(wakes).toHaveLength(1);
    wakes[0]!();
    await settle();
    expect(state.attempts).toBe(2);
    wakes[0]!();
    await vi.advanceTimersByTimeAsync(749);
    expect(state.attempts).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(state.attempts).toBe(3);
    made.stop();
  });

  test("O67 leaves nothing behind of the waits that ended early", async () => {
    vi.useRealTimers();
    const gone: WeakRef<object>[] = [];
    for (let round = 0; round < 20; round++) {
      const { made, state } = recovery({ wake: () => delay(0), minWaitMs: 60_000 });
      made.begin();
      await vi.waitFor(() => expect(state.attempts).toBeGreaterThan(3), { interval: 1 });
      made.stop();
      gone.push(new WeakRef(made));
    }
    // What the last round has left on the stack may still be there.
    await vi.waitFor(
      () => {
        collectGarbage();
        expect(gone.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5);
      },
      { timeout: 5_000 },
    );
  });
});
