import { describe, expect, it } from "vitest";
import { RecentDecisions } from "../../../src/decisions/recent-decisions.ts";

function event(number: number, length = 10): { decisionId: string; text: string } {
  return { decisionId: String(number), text: "x".repeat(length) };
}

describe("F2 the latest decisions", () => {
  it("are given to whoever begins to look, and then each one as it comes", async () => {
    const recent = new RecentDecisions();
    recent.offer(event(1));
    const listener = recent.listen()!;
    expect((await listener.next())!.map(({ decisionId }) => decisionId)).toEqual(["1"]);
    const waiting = listener.next();
    recent.offer(event(2));
    expect((await waiting)!.map(({ decisionId }) => decisionId)).toEqual(["2"]);
  });

  it("cost bounded memory: only the last ones are kept, and the slow miss the oldest", async () => {
    const recent = new RecentDecisions();
    const slow = recent.listen()!;
    for (let number = 1; number <= 1_000; number++) recent.offer(event(number));
    const expected = Array.from({ length: 200 }, (_, index) => String(801 + index));
    for (const listener of [slow, recent.listen()!]) {
      expect((await listener.next())!.map(({ decisionId }) => decisionId)).toEqual(expected);
    }
    for (let number = 1; number <= 10; number++) recent.offer(event(number, 300_000));
    expect((await recent.listen()!.next())!.length).toBe(3);
  });

  it("are shown to so many at a time, and to nobody once it is over", async () => {
    const recent = new RecentDecisions();
    const listeners = Array.from({ length: 20 }, () => recent.listen()!);
    expect(recent.listen()).toBeUndefined();
    listeners[0]!.close();
    const another = recent.listen()!;
    const waiting = another.next();
    recent.close();
    expect([await waiting, await listeners[0]!.next()]).toEqual([undefined, undefined]);
    expect(recent.listen()).toBeUndefined();
  });
});
