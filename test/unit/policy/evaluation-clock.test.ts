import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readBundle } from "../../../src/policy/bundle.ts";
import { EvaluationBounds } from "../../../src/policy/evaluation-bounds.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";

const LIMIT_MS = 100;
const LIMITS = { timeoutMs: LIMIT_MS, maxMemoryBytes: Infinity };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.advanceTimersByTime(1);
});
afterEach(() => void vi.useRealTimers());

/** The bounds of an instance that needs no memory, and the steps that were given to it. */
function bounds(): { readonly bounds: EvaluationBounds; readonly given: number[] } {
  const given: number[] = [];
  const measured = { giveSteps: (steps: number) => void given.push(steps), heapEnd: () => 0 };
  return { bounds: new EvaluationBounds(LIMITS, measured), given };
}

describe("the time of an evaluation", () => {
  it("is that of all of a decision's evaluations together, without the waits between them", () => {
    const { bounds: evaluation } = bounds();
    const spending = { spentMs: 0 };
    const evaluate = (ms: number): void => {
      evaluation.begin(0, spending);
      try {
        evaluation.check();
        vi.advanceTimersByTime(ms);
        evaluation.check();
      } finally {
        evaluation.end();
      }
    };
    evaluate(60);
    vi.advanceTimersByTime(10_000);
    evaluate(30);
    expect(() => evaluate(20)).toThrow(expect.objectContaining({ code: "EVALUATION_TIMEOUT" }));
    const other = { spentMs: 0 };
    evaluation.begin(0, other);
    evaluation.check();
    evaluation.end();
    expect(other.spentMs).toBe(0);
  });

  it("is looked at after fewer steps while these take long, and after as many again when they don't", () => {
    const { bounds: evaluation, given } = bounds();
    evaluation.begin(0, { spentMs: 0 });
    for (const ms of [0, 6, 6, 1, 5, 5]) {
      vi.advanceTimersByTime(ms);
      evaluation.check();
    }
    expect(given).toEqual([4_096, 512, 64, 512, 4_096, 4_096]);
  });

  it("is looked at before each call of the host, which takes no steps", async () => {
    const { wasm } = await readBundle("test/policies/runaway/bundle.tar.gz");
    const instance = await WasmInstance.create(
      await PolicyModule.prepare(wasm!),
      64 * 2 ** 20,
      LIMITS,
    );
    const entrypoint = instance.entrypoints.get("runaway/texts")!;
    let calls = 0;
    const host = (): string => {
      calls++;
      vi.advanceTimersByTime(LIMIT_MS / 4);
      return '"text"';
    };
    const evaluate = (): string =>
      instance.evaluate(entrypoint, '{"n":1000}', { spentMs: 0 }, host);
    expect(evaluate).toThrow(expect.objectContaining({ code: "EVALUATION_TIMEOUT" }));
    // The first look begins the time.
    expect(calls).toBe(5);
  });
});
