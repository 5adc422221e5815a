import { describe, expect, it, onTestFinished } from "vitest";
import { BridgeError, type ErrorCode } from "../../../src/errors.ts";
import type { BucketWatcher } from "../../../src/watch/bucket-watcher.ts";
import { infoOf, type FakeSource } from "./support/fake-source.ts";
import { makeWatcher, settled } from "./support/make.ts";
import type { VirtualClock } from "./support/virtual-clock.ts";

interface Unanswered {
  watcher: BucketWatcher;
  source: FakeSource;
  clock: VirtualClock;
  /** How often was asked. */
  asked: () => number;
  answer: (code?: ErrorCode) => void;
}

/** A watcher that was live, and then met nobody who answers. */
async function unanswered(code: ErrorCode = "NATS_TIMEOUT"): Promise<Unanswered> {
  const { watcher, source, clock } = makeWatcher();
  onTestFinished(() => watcher.stop());
  const started = watcher.start();
  source.last().load({ a: 1 });
  await started;
  let asked = 0;
  let says: ErrorCode | undefined = "NATS_TIMEOUT";
  source.describe = () => {
    asked++;
    return says === undefined
      ? Promise.resolve(infoOf())
      : Promise.reject(new BridgeError(says, says));
  };
  source.last().end(code);
  await settled();
  return {
    watcher,
    source,
    clock,
    asked: () => asked,
    answer: (code) => (says = code),
  };
}

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50);
    await settled();
  }
}

describe("a bucket that nobody answers for", () => {
  it.each(["NATS_TIMEOUT", "JETSTREAM_UNAVAILABLE"] as const)(
    "C1 (%s) is loaded within a second of the first answer, however long there was none",
    async (code) => {
      const { source, clock, asked, answer, watcher } = await unanswered(code);
      await pass(clock, 60_000);
      expect(source.running()).toHaveLength(0);
      // One question in 0.5 to 1 s.
      expect(asked()).toBeGreaterThanOrEqual(59);
      expect(asked()).toBeLessThanOrEqual(121);
      answer();
      await pass(clock, 1_000);
      expect(source.running()).toHaveLength(1);
      source.last().load({ a: 2 });
      await settled();
      expect(watcher.status().state).toBe("live");
    },
  );

  it("C1 is slowed down no more than that by a stream that fails again and again", async () => {
    const { source, clock, answer } = await unanswered();
    answer();
    for (let failures = 0; failures < 10; failures++) {
      await pass(clock, 1_000);
      expect(source.running()).toHaveLength(1);
      source.last().end("NATS_TIMEOUT");
      await settled();
      // Nor does it ever begin at once.
      expect(source.running()).toHaveLength(0);
    }
  });

  it("C1 whoever answers that the bucket is gone has answered; without a connection nobody has", async () => {
    const { source, clock, answer } = await unanswered();
    answer("NATS_UNREACHABLE");
    await pass(clock, 5_000);
    expect(source.running()).toHaveLength(0);
    answer("BUCKET_NOT_FOUND");
    await pass(clock, 1_000);
    expect(source.running()).toHaveLength(1);
  });

  it("C1 a connection that comes back ends the wait", async () => {
    const { source, clock } = await unanswered();
    await pass(clock, 2_000);
    source.reconnect();
    await pass(clock, 500);
    expect(source.running()).toHaveLength(1);
    expect(source.listeners).toBe(0);
  });

  it("W4 is asked for no more once its watcher stops", async () => {
    const { watcher, source, clock, asked } = await unanswered();
    await watcher.stop();
    expect(clock.timers).toBe(0);
    expect(source.listeners).toBe(0);
    const before = asked();
    await pass(clock, 5_000);
    expect(asked()).toBe(before);
  });
});
