import { describe, expect, it } from "vitest";
import { Slices } from "../../../src/common/slices.ts";

/** Keeps the processor busy until then. */
function workUntil(end: number): void {
  while (performance.now() < end);
}

describe("P4 long work in slices", () => {
  it("is not begun at once, and is over when it says so", async () => {
    let left = 3;
    const done = new Slices(0).run(() => --left === 0);
    expect(left).toBe(3);
    await done;
    expect(left).toBe(0);
  });

  it("lets the event loop turn between two slices", async () => {
    let turns = 0;
    let running = true;
    const turn = (): void => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    let left = 50;
    await new Slices(0).run(() => --left === 0);
    running = false;
    expect(turns).toBeGreaterThanOrEqual(49);
  });

  it("takes no longer a turn for many than for one", async () => {
    const slices = new Slices(1);
    const stalls: number[] = [];
    let last = performance.now();
    let running = true;
    const turn = (): void => {
      const now = performance.now();
      stalls.push(now - last);
      last = now;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const works = Array.from({ length: 40 }, () => {
      let left = 20;
      return slices.run((end) => {
        workUntil(Math.min(end, performance.now() + 0.1));
        return --left === 0;
      });
    });
    await Promise.all(works);
    running = false;
    const half = stalls.toSorted((a, b) => a - b)[Math.floor(stalls.length / 2)]!;
    // 40 that each had a slice of their own would take 4 ms.
    expect(half).toBeLessThan(2.5);
  });

  it("a generator may rest wherever it yields, and gives its value in the end", async () => {
    const turns = new Set<number>();
    let turn = 0;
    let running = true;
    const next = (): void => {
      turn++;
      if (running) setImmediate(next);
    };
    setImmediate(next);
    function* steps(): Generator<undefined, string> {
      for (let step = 0; step < 20; step++) {
        turns.add(turn);
        yield;
      }
      return "made";
    }
    expect(await new Slices(0).finish(steps())).toBe("made");
    running = false;
    expect(turns.size).toBe(20);
  });

  it("a generator's small steps are no smaller a share of the turn for it", async () => {
    const slices = new Slices(1_000);
    let others = 0;
    const other = slices.run(() => ++others === 1_000);
    function* quick(): Generator<undefined, number> {
      for (let step = 0; step < 200; step++) yield;
      return others;
    }
    // One of the other's for each of its own would be 200.
    expect(await slices.finish(quick())).toBeLessThan(50);
    await other;
  });

  it("what a generator throws comes out", async () => {
    function* steps(): Generator<undefined, void> {
      yield;
      throw new RangeError("no");
    }
    await expect(new Slices().finish(steps())).rejects.toThrow(new RangeError("no"));
  });

  it("all who have work get on", async () => {
    const slices = new Slices(0);
    const order: string[] = [];
    const work = (name: string, count: number): Promise<void> =>
      slices.run(() => order.push(name) > 0 && --count === 0);
    await Promise.all([work("a", 3), work("b", 3)]);
    expect(order).toEqual(["a", "b", "a", "b", "a", "b"]);
  });

  it("work that throws is over, and the others go on", async () => {
    const slices = new Slices(0);
    const failed = slices.run(() => {
      throw new Error("broken");
    });
    let left = 2;
    const other = slices.run(() => --left === 0);
    await expect(failed).rejects.toThrow("broken");
    await other;
    expect(left).toBe(0);
  });
});
