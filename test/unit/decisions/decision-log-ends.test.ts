import { setImmediate as free } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { DecisionLog } from "../../../src/decisions/decision-log.ts";
import { event, REPORTING, TestSink } from "./kit.ts";

let sink: TestSink;
let log: DecisionLog;

beforeEach(() => {
  // Only the clocks of timers: encoding goes on when the event loop is free.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  sink = new TestSink();
  const sinks = [{ sink, reporting: REPORTING }];
  log = new DecisionLog({ sinks, labels: {}, random: () => 0.5, closeTimeoutMs: 500 });
});

afterEach(() => {
  vi.useRealTimers();
});

async function record(...ids: number[]): Promise<void> {
  for (const id of ids) log.record(event(id));
  while (log.figures().pending > 0) await free();
  await free();
}

async function close(): Promise<void> {
  const closing = log.close();
  await vi.advanceTimersByTimeAsync(500);
  await closing;
}

it.each(["works", "fails", "holds"] as const)(
  "O42 a decision log leaves nothing running when it is closed, where its sink %s",
  async (mode) => {
    sink.mode = mode;
    await record(1, 2, 3);
    await close();
    expect(vi.getTimerCount()).toBe(0);
    const { delivered, dropped_at_close: dropped } = log.figures();
    expect([delivered, dropped]).toEqual(mode === "works" ? [3, 0] : [0, 3]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log.figures()).toMatchObject({ delivered, dropped_at_close: dropped });
  },
);

it("O9 O24 after an outage what waited is brought, each event exactly once, before anything new", async () => {
  sink.mode = "fails";
  await record(1, 2, 3, 4);
  await vi.advanceTimersByTimeAsync(1_000);
  sink.mode = "works";
  await record(5, 6);
  await vi.advanceTimersByTimeAsync(60_000);
  // Neither fewer nor more, and in order.
  expect(sink.ids()).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(log.figures()).toMatchObject({ delivered: 6, waiting: 0 });
  await close();
});
