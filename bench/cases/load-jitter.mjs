import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createBridge, readBundle, shortenPauses } from "../../dist/index.js";
import { WasmInstance } from "../../dist/policy/wasm-instance.js";
import { takeOwnCore } from "../lib/cores.mjs";
import { group, inputs } from "../lib/group.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, quantile } from "../lib/stats.mjs";

// Decisions at a steady rate, in quiet and while buckets load: how much later they come, and how long the event
// loop stands still. The process is set up as the service is. For comparison, the stall of handing all data over at
// once.

const BUNDLE = "examples/groups/bundle.tar.gz";
const RATE_MS = 2;
const QUIET_MS = 3_000;

export default async function measure(report) {
  shortenPauses();
  return withNats(async ({ url, connection }) => {
    const own_core = takeOwnCore();
    await fillBucket(connection, "group", group(1_000));
    await fillBucket(connection, "big", members(100_000));
    for (let index = 0; index < 10; index++) {
      const entries = members(100_000, `part-${index % 10}.members`);
      await fillBucket(connection, `tenth-${index}`, entries);
    }
    const one = await loads(url, ["big"]);
    report({ load: "100,000 keys", ...one });
    const ten = await loads(
      url,
      Array.from({ length: 10 }, (_, index) => `tenth-${index}`),
    );
    report({ load: "1,000,000 keys in ten buckets", ...ten });
    await fillBucket(connection, "wide", members(1_000_000));
    const wide = await loads(url, ["wide"]);
    report({ load: "1,000,000 keys under one parent", ...wide });
    return {
      p99_ratio: Math.max(one.p99_ratio, ten.p99_ratio),
      max_stall_ms: Math.max(one.max_stall_ms, ten.max_stall_ms),
      p99_ratio_100k: one.p99_ratio,
      p99_ratio_1m: ten.p99_ratio,
      max_stall_ms_100k: one.max_stall_ms,
      max_stall_ms_1m: ten.max_stall_ms,
      wide_p99_ratio: wide.p99_ratio,
      wide_max_stall_ms: wide.max_stall_ms,
      quiet_stall_ms: ten.quiet_stall_ms,
      stall_ms_setdata: await setDataStall(),
      own_core,
    };
  });
}

async function loads(url, buckets) {
  const bridge = await createBridge({
    nats: { server_url: url, max_bucket_watchers: 20, load_timeout: "120s" },
    bundle: { file: BUNDLE },
  });
  try {
    await bridge.manager.getOrCreateWatcher("group");
    collect();
    const quiet = await observe(bridge, () => sleep(QUIET_MS));
    collect();
    const busy = await observe(bridge, () =>
      Promise.all(buckets.map((bucket) => bridge.manager.getOrCreateWatcher(bucket))),
    );
    return {
      quiet_p99_ms: quiet.p99_ms,
      p99_ms: busy.p99_ms,
      p99_ratio: busy.p99_ms / quiet.p99_ms,
      max_stall_ms: busy.stall_ms,
      quiet_stall_ms: quiet.stall_ms,
      load_ms: busy.ms,
    };
  } finally {
    await bridge.close();
  }
}

/** Asks at a steady rate, by the clock, while `work` runs. A decision's latency counts from when it was due. */
async function observe(bridge, work) {
  const questions = inputs(1_000, 1_000);
  const latencies = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const state = { running: true };
  loop.enable();
  const start = performance.now();
  const asking = (async () => {
    for (let index = 0; state.running; index++) {
      const due = start + index * RATE_MS;
      // Timers are set in whole milliseconds; what was due meanwhile is asked at once.
      const early = due - performance.now();
      if (early > 0) await sleep(early);
      const { result } = await bridge.decide("authz/allow", questions[index % questions.length]);
      if (typeof result !== "boolean") throw new Error("the decision is wrong");
      latencies.push(performance.now() - due);
    }
  })();
  await work();
  state.running = false;
  const ms = performance.now() - start;
  await asking;
  loop.disable();
  // The monitor counts the delay from one of its ticks to the next, a millisecond of which is meant.
  return { ms, p99_ms: quantile(latencies, 0.99), stall_ms: loop.max / 1e6 - 1 };
}

async function setDataStall() {
  const { wasm } = await readBundle(BUNDLE);
  const instance = await WasmInstance.create(wasm, 4 * 1024 ** 3);
  const entries = [...members(100_000)].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  const text = `{"nats":{"kv":{"big":{${entries.join(",")}}}}}`;
  const start = performance.now();
  instance.setData(text);
  return performance.now() - start;
}
