import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { inputs } from "./group.mjs";

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
