import { setImmediate as free } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DecisionLog, type DecisionLogOptions } from "../../../src/decisions/decision-log.ts";
import type { Reporting } from "../../../src/decisions/delivery.ts";
import { event, REPORTING, TestSink } from "./kit.ts";

let sink: TestSink;
let log: DecisionLog;

function open(reporting: Partial<Reporting> = {}, more: Partial<DecisionLogOptions> = {}): void {
  log = new DecisionLog({
    sinks: [{ sink, reporting: { ...REPORTING, ...reporting } }],
    labels: {},
    random: () => 0.5,
    ...more,
  });
}

function record(from: number, to: number): void {
  for (let id = from; id <= to; id++) log.record(event(id));
}

/** Until everything recorded is encoded and offered. */
async function encoded(): Promise<void> {
  while (log.figures().pending > 0) await free();
  await free();
}

function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

beforeEach(() => {
  // Only the clocks of timers: encoding goes on when the event loop is free.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  sink = new TestSink();
});

afterEach(async () => {
  sink.mode = "works";
  await log.close();
  vi.useRealTimers();
});

describe("DecisionLog", () => {
  it("L1 delivers in order, in batches as large as the sink takes", async () => {
    open();
    record(1, 25);
    await encoded();
    expect(sink.ids()).toEqual(ids(1, 25));
    expect(sink.sends).toBe(3);
    expect(log.figures()).toMatchObject({ decisions: 25, delivered: 25, waiting: 0 });
  });

  it("L1 takes a decision without doing anything for it yet", async () => {
    open();
    record(1, 1);
    expect(log.figures()).toMatchObject({ decisions: 1, pending: 1, waiting: 0 });
    expect(sink.sends).toBe(0);
    await encoded();
    expect(sink.ids()).toEqual(["1"]);
  });

  it("L1 O40 waits out an outage with backoff, then delivers what fits, in order", async () => {
    open();
    sink.mode = "fails";
    record(1, 5);
    await encoded();
    expect(sink.sends).toBe(1);
    // Equal jitter at 0.5: three quarters of 100, 200, 400 … ms. More events don't hurry it.
    for (const [index, ms] of [75, 150, 300, 600].entries()) {
      record(6 + index, 6 + index);
      await encoded();
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(sink.sends).toBe(1 + index);
      await vi.advanceTimersByTimeAsync(1);
      expect(sink.sends).toBe(2 + index);
    }
    expect(log.figures()).toMatchObject({ delivery_failures: 5, delivered: 0, waiting: 9 });
    sink.mode = "works";
    await vi.advanceTimersByTimeAsync(1_500);
    expect(sink.ids()).toEqual(ids(1, 9));
  });

  it("L1 retries no later than the longest delay", async () => {
    open({ minDelayMs: 0, maxDelayMs: 2_000 });
    sink.mode = "fails";
    record(1, 1);
    await encoded();
    for (let round = 0; round < 10; round++) await vi.advanceTimersByTimeAsync(2_000);
    expect(sink.sends).toBeGreaterThanOrEqual(11);
    expect(sink.sends).toBeLessThan(30);
  });

  it("O38 keeps the newest that fit when an outage lasts, and counts the others", async () => {
    open({ maxEvents: 4 });
    sink.mode = "fails";
    record(1, 10);
    await encoded();
    sink.mode = "works";
    await log.flush();
    expect(sink.ids()).toEqual(ids(7, 10));
    expect(log.figures()).toMatchObject({
      decision_logs_dropped_buffer_size_limit_exceeded: 6,
      delivered: 4,
    });
  });

  it("O23 is bounded by bytes as well", async () => {
    open({ maxBytes: 1_000 });
    sink.mode = "fails";
    for (let id = 1; id <= 10; id++) log.record(event(id, { input: `"${"x".repeat(300)}"` }));
    await encoded();
    const figures = log.figures();
    expect(figures.waiting_bytes).toBeLessThanOrEqual(1_000);
    expect(figures.waiting).toBeGreaterThanOrEqual(1);
    expect(figures.decision_logs_dropped_buffer_size_limit_bytes_exceeded).toBe(
      10 - figures.waiting,
    );
  });

  it("O39 delivers nothing that would have to wait where the buffer is 0", async () => {
    open({ maxEvents: 0 });
    record(1, 3);
    await encoded();
    expect(sink.sends).toBe(0);
    expect(log.figures().decision_logs_dropped_buffer_size_limit_exceeded).toBe(3);
  });

  it("O7 takes decisions while a flush is under way", async () => {
    open();
    sink.mode = "holds";
    const asked = sink.nextSend();
    record(1, 2);
    await asked;
    record(3, 4);
    await encoded();
    expect(log.figures()).toMatchObject({ decisions: 4, pending: 0, waiting: 2 });
    sink.mode = "works";
    sink.release({ done: 2 });
    await vi.waitFor(() => expect(sink.ids()).toEqual(ids(1, 4)));
  });

  it("O44 sends again only what an interrupted delivery left, before what came meanwhile", async () => {
    open();
    sink.mode = "holds";
    const asked = sink.nextSend();
    record(1, 4);
    await asked;
    record(5, 6);
    await encoded();
    const again = sink.nextSend();
    sink.release({ done: 2 });
    await again;
    sink.mode = "works";
    sink.release(new Error("down"));
    await vi.waitFor(() => expect(log.figures().delivery_failures).toBe(1));
    await vi.advanceTimersByTimeAsync(75);
    expect(sink.ids()).toEqual(ids(1, 6));
  });

  it("O22 O52 drops the oldest when the rest of a failed delivery meets a full buffer", async () => {
    open({ maxEvents: 3 });
    sink.mode = "holds";
    const asked = sink.nextSend();
    record(1, 1);
    await asked;
    record(2, 4);
    await encoded();
    sink.mode = "works";
    sink.release(new Error("down"));
    await vi.waitFor(() => expect(log.figures().delivery_failures).toBe(1));
    await vi.advanceTimersByTimeAsync(75);
    expect(sink.ids()).toEqual(ids(2, 4));
    expect(log.figures().decision_logs_dropped_buffer_size_limit_exceeded).toBe(1);
  });

  it("L1 waits between the least and the longest delay where nothing hurries", async () => {
    open({ trigger: "periodic" });
    record(1, 3);
    await encoded();
    await vi.advanceTimersByTimeAsync(1_499);
    expect(sink.sends).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(sink.ids()).toEqual(ids(1, 3));
  });

  it("L1 doesn't wait for its delay once the buffer is half full", async () => {
    open({ trigger: "periodic", maxEvents: 8 });
    record(1, 3);
    await encoded();
    expect(sink.sends).toBe(0);
    record(4, 4);
    await encoded();
    expect(sink.ids()).toEqual(ids(1, 4));
  });

  it("L1 keeps the rate, and counts what is above it", async () => {
    open({ maxDecisionsPerSecond: 2.5 });
    record(1, 5);
    await encoded();
    expect(sink.ids()).toEqual(["1", "2"]);
    await vi.advanceTimersByTimeAsync(400);
    record(6, 7);
    await encoded();
    expect(sink.ids()).toEqual(["1", "2", "6"]);
    expect(log.figures().decision_logs_dropped_rate_limit_exceeded).toBe(4);
  });

  it("O64 gives what waits a last chance when it closes, and counts what is left", async () => {
    open({ trigger: "periodic" });
    record(1, 2);
    await log.close();
    expect(sink.ids()).toEqual(["1", "2"]);
    expect(sink.closed).toBe(true);
    log.record(event(3));
    expect(log.figures()).toMatchObject({ dropped_at_close: 1 });
  });

  it("O64 closes by its deadline, whatever the sink does, and knows what it did not deliver", async () => {
    open({}, { closeTimeoutMs: 500 });
    sink.mode = "holds";
    const asked = sink.nextSend();
    record(1, 3);
    await asked;
    record(4, 5);
    await encoded();
    const closing = log.close();
    await vi.advanceTimersByTimeAsync(500);
    await closing;
    expect(log.figures()).toMatchObject({ dropped_at_close: 5, delivered: 0 });
  });

  it("O26 tells its logger numbers, and nothing of the events", async () => {
    const lines: string[] = [];
    const note = (details: object, message: string): void =>
      void lines.push(JSON.stringify(details) + message);
    const logger = { debug: note, info: note, warn: note, error: note };
    const policy = { decide: async () => Promise.reject(new Error("input s3cret is bad")) };
    open({ maxEvents: 2 }, { logger, policy, maskDecision: "m", closeTimeoutMs: 1 });
    log.record(event("s3cret-1", { input: '{"password":"s3cret"}' }));
    await encoded();
    await log.close();
    open({ maxEvents: 2 }, { logger, closeTimeoutMs: 1 });
    sink.mode = "fails";
    for (let id = 1; id < 5; id++) log.record(event(`s3cret-${id}`, { input: '"s3cret"' }));
    await encoded();
    await log.close();
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(lines.join("\n")).not.toContain("s3cret");
  });

  it("O41 leaves out an event that its masks fail for, and goes on with the next", async () => {
    const policy = {
      decide: async (_path: string, input: string) =>
        input.includes('"decision_id":"2"') ? "[7]" : '["/input"]',
    };
    open({}, { policy, maskDecision: "system/log/mask" });
    for (const id of [1, 2, 3]) log.record(event(id, { input: "1" }));
    await encoded();
    await vi.waitFor(() => expect(sink.ids()).toEqual(["1", "3"]));
    expect(log.figures().dropped_masking_failed).toBe(1);
    expect(sink.delivered[0]!.text).not.toContain('"input"');
  });

  it("L1 keeps the order while masks take their time", async () => {
    const policy = {
      async decide(_path: string, input: string) {
        // The earlier, the slower.
        for (let turn = input.includes('"decision_id":"1"') ? 5 : 0; turn > 0; turn--) await free();
        return undefined;
      },
    };
    open({}, { policy, maskDecision: "m", dropDecision: "d" });
    record(1, 4);
    await vi.waitFor(() => expect(sink.ids()).toEqual(ids(1, 4)));
  });

  it("L1 brings every event to each sink, and one that is down doesn't concern the other", async () => {
    const other = new TestSink();
    other.mode = "fails";
    const both = [sink, other].map((each) => ({ sink: each, reporting: REPORTING }));
    open({}, { sinks: both, closeTimeoutMs: 1 });
    record(1, 3);
    await encoded();
    expect(sink.ids()).toEqual(ids(1, 3));
    expect(log.figures()).toMatchObject({ delivered: 3, waiting: 3 });
    other.mode = "works";
    await vi.advanceTimersByTimeAsync(75);
    expect(other.ids()).toEqual(ids(1, 3));
  });
});
