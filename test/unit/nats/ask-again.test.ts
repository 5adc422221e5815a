import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deferred, type Deferred } from "../../../src/common/async.ts";
import { askAgain } from "../../../src/nats/ask-again.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a question that may be lost", () => {
  test("C1 is asked again every second, and the first answer counts", async () => {
    const asked: Deferred<string>[] = [];
    const answer = askAgain(() => {
      asked.push(deferred<string>());
      return asked.at(-1)!.promise;
    });
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(asked).toHaveLength(3);
    asked[1]!.resolve("second");
    expect(await answer).toBe("second");
    expect(vi.getTimerCount()).toBe(0);
    asked[0]!.reject(new Error("too late"));
    asked[2]!.reject(new Error("too late"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(3);
  });

  test("C1 fails as the first one does, and is not asked again then", async () => {
    const ask = vi.fn<() => Promise<never>>(() => Promise.reject(new Error("no")));
    await expect(askAgain(ask)).rejects.toThrow("no");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ask).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
