import { describe, expect, test, vi } from "vitest";
import { type Deferred, deferred } from "../../../src/common/async.ts";
import { Overlap } from "../../../src/nats/overlap.ts";
import { SnapshotEnd } from "../../../src/nats/snapshot-end.ts";

function snapshot() {
  const asked: Deferred<number>[] = [];
  const ended = vi.fn<(revision: number) => void>();
  const failed = vi.fn<(error: unknown) => void>();
  const end = new SnapshotEnd(
    () => {
      asked.push(deferred<number>());
      return asked.at(-1)!.promise;
    },
    ended,
    failed,
  );
  const answer = async (last: number): Promise<void> => {
    asked.at(-1)!.resolve(last);
    await vi.waitFor(() => Promise.resolve());
  };
  return { end, asked, ended, failed, answer };
}

describe("the end of a snapshot", () => {
  test("W5 is two barriers, the first with nothing behind it", async () => {
    const { end, asked, ended, answer } = snapshot();
    end.begin();
    await answer(10);
    end.reached(9, 1);
    expect(asked).toHaveLength(1);
    end.reached(10, 0);
    expect(asked).toHaveLength(2);
    await answer(12);
    end.reached(11, 0);
    expect(ended).not.toHaveBeenCalled();
    end.reached(12, 5);
    expect(ended.mock.calls).toEqual([[12]]);
    end.reached(13, 0);
    expect(ended).toHaveBeenCalledTimes(1);
  });

  test("W5 may be reached before the answers come", async () => {
    const { end, ended, answer } = snapshot();
    end.reached(10, 0);
    end.begin();
    await answer(10);
    await answer(10);
    expect(ended.mock.calls).toEqual([[10]]);
  });

  test("W5 comes after many rounds where something is always pending, and not before", async () => {
    const { end, asked, ended, answer } = snapshot();
    end.begin();
    let last = 0;
    while (ended.mock.calls.length === 0) {
      last += 10;
      await answer(last);
      const rounds = asked.length;
      end.reached(last - 1, 3);
      expect(asked).toHaveLength(rounds);
      end.reached(last, 3);
    }
    expect(asked.length).toBeGreaterThanOrEqual(20);
  });

  test("W5 is not reached when the question fails, nor when the sink does", async () => {
    const first = snapshot();
    first.end.begin();
    first.asked[0]!.reject(new Error("no answer"));
    await vi.waitFor(() => expect(first.failed).toHaveBeenCalledTimes(1));
    const second = snapshot();
    second.ended.mockImplementation(() => {
      throw new Error("the sink failed");
    });
    second.end.reached(1, 0);
    second.end.begin();
    await second.answer(1);
    await second.answer(1);
    await vi.waitFor(() => expect(second.failed).toHaveBeenCalledTimes(1));
  });
});

describe("what comes twice after a list of last values", () => {
  test("W5 is news only where its key was not heard at that revision or later", () => {
    // The server noted 10, then 11 (b), 12 (a), 13 (c) and 14 (a) were stored, then it listed b, c and a.
    const overlap = new Overlap(10);
    const listed = [
      ["d", 4],
      ["c", 13],
      ["a", 14],
    ] as const;
    for (const [key, sequence] of listed) expect(overlap.isNews(key, sequence)).toBe(true);
    overlap.endsAt(14);
    overlap.endsAt(99);
    const again = [
      ["b", 11],
      ["a", 12],
      ["c", 13],
      ["a", 14],
    ] as const;
    const news = again.filter(([key, sequence]) => overlap.isNews(key, sequence));
    expect(news).toEqual([["b", 11]]);
    expect([10, 11].map((sequence) => overlap.allows(sequence))).toEqual([false, true]);
    expect([14, 15].map((sequence) => overlap.isOver(sequence))).toEqual([false, true]);
  });
});
