import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { inputs } from "./group.mjs";
import { median, quantile } from "./stats.mjs";

/** How far apart the questions are, in milliseconds. */
export const RATE_MS = 2;

/** Asks at a steady rate, by the clock, while `work` runs. A decision's latency counts from when it was due. */
export async function observe(bridge, work) {
  const questions = inputs(1_000, 1_000);
  const latencies = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const state = { running: true, failed: 0 };
  loop.enable();
  const start = performance.now();
  const asking = (async () => {
    for (let index = 0; state.running; index++) {
      const due = start + index * RATE_MS;
      // Timers are set in whole milliseconds; what was due meanwhile is asked at once.
      const early = due - performance.now();
      if (early > 0) await sleep(early);
      const question = questions[index % questions.length];
      const { result } = await bridge.decide("authz/allow", question).catch(() => ({}));
      if (typeof result !== "boolean") state.failed++;
      latencies.push(performance.now() - due);
    }
  })();
  await work();
  const ms = performance.now() - start;
  state.running = false;
  await asking;
  loop.disable();
  // The monitor counts the delay from one of its ticks to the next, a millisecond of which is meant.
  return { ms, latencies, failed: state.failed, stall_ms: loop.max / 1e6 - 1 };
}

/**
 * Rounds of what {@link observe} has seen in quiet and while something happened. A machine that others use too stands
 * still for a moment now and then, so of the rounds' 99th percentiles it is the middle one; of what took longest, and
 * of what has failed, nothing is left out.
 */
export function compareRounds(rounds) {
  const p99 = (side) => median(rounds.map((round) => quantile(round[side].latencies, 0.99)));
  const all = rounds.flatMap(({ quiet, busy }) => [quiet, busy]);
  return {
    quiet_p99_ms: p99("quiet"),
    p99_ms: p99("busy"),
    p99_ratio: p99("busy") / p99("quiet"),
    max_ms: Math.max(...rounds.flatMap(({ busy }) => busy.latencies)),
    max_stall_ms: Math.max(...rounds.map(({ busy }) => busy.stall_ms)),
    quiet_stall_ms: Math.max(...rounds.map(({ quiet }) => quiet.stall_ms)),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
