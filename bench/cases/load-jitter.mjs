import { setTimeout as sleep } from "node:timers/promises";
import { createBridge, readBundle } from "../../dist/index.js";
import { PolicyModule } from "../../dist/policy/policy-module.js";
import { WasmInstance } from "../../dist/policy/wasm-instance.js";
import { takeOwnCore } from "../lib/cores.mjs";
import { group } from "../lib/group.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, median } from "../lib/stats.mjs";
import { compareRounds, observe } from "../lib/steady.mjs";

// Decisions at a steady rate, in quiet and while buckets load: how much later they come, and how long the event
// loop stands still. For comparison, the stall of handing all data over at
// once.

const BUNDLE = "examples/groups/bundle.tar.gz";
const QUIET_MS = 1_500;

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    const own_core = takeOwnCore();
    await fillBucket(connection, "group", group(1_000));
    await fillBucket(connection, "big", members(100_000));
    for (let index = 0; index < 10; index++) {
      const entries = members(100_000, `part-${index % 10}.members`);
      await fillBucket(connection, `tenth-${index}`, entries);
    }
    const one = await loads(url, ["big"], 7);
    report({ load: "100,000 keys", ...one });
    const ten = await loads(
      url,
      Array.from({ length: 10 }, (_, index) => `tenth-${index}`),
      5,
    );
    report({ load: "1,000,000 keys in ten buckets", ...ten });
    await fillBucket(connection, "wide", members(1_000_000));
    const wide = await loads(url, ["wide"], 1);
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

async function loads(url, buckets, times) {
  const rounds = [];
  for (let round = 0; round < times; round++) rounds.push(await load(url, buckets));
  const { failed, ...compared } = compareRounds(rounds);
  if (failed > 0) throw new Error("a decision is wrong");
  return { ...compared, load_ms: median(rounds.map(({ busy }) => busy.ms)) };
}

async function load(url, buckets) {
  const bridge = await createBridge({
    nats: { server_url: url, max_bucket_watchers: 20, load_timeout: "120s" },
    bundle: { file: BUNDLE },
  });
  try {
    await bridge.manager.getOrCreateWatcher("group");
    collect();
    // Not collected again before the load: a process that serves is not either, and it sets V8's limits anew.
    const quiet = await observe(bridge, () => sleep(QUIET_MS));
    const busy = await observe(bridge, () =>
      Promise.all(buckets.map((bucket) => bridge.manager.getOrCreateWatcher(bucket))),
    );
    return { quiet, busy };
  } finally {
    await bridge.close();
  }
}

async function setDataStall() {
  const { wasm } = await readBundle(BUNDLE);
  const instance = await WasmInstance.create(await PolicyModule.prepare(wasm), 4 * 1024 ** 3);
  const entries = [...members(100_000)].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  const text = `{"nats":{"kv":{"big":{${entries.join(",")}}}}}`;
  const start = performance.now();
  instance.setData(text);
  return performance.now() - start;
}
