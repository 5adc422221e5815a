import { createBridge } from "../../dist/index.js";
import { startDelayProxy } from "../lib/delay-proxy.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, median, timed } from "../lib/stats.mjs";

// 50 cold buckets of 2,000 keys, from the first request until all are watched: asked for one after the other,
// and all at once. With a round trip of 5 ms between client and server, and without.

const BUCKETS = 50;
const KEYS = 2_000;
const ROUND_TRIP_MS = 5;
const ROUNDS = 3;
const BUNDLE = "examples/groups/bundle.tar.gz";

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    const names = Array.from({ length: BUCKETS }, (_, index) => `group-${index}`);
    for (const name of names) await fillBucket(connection, name, members(KEYS));
    const near = await compare(url, names);
    report({ delay_ms: 0, ...near });
    const proxy = await startDelayProxy(Number(new URL(url).port), ROUND_TRIP_MS);
    const far = await compare(proxy.url, names);
    await proxy.stop();
    report({ delay_ms: ROUND_TRIP_MS, ...far });
    return {
      buckets: BUCKETS,
      serial_ms: near.serial_ms,
      concurrent_ms: near.concurrent_ms,
      speedup: near.speedup,
      serial_delayed_ms: far.serial_ms,
      concurrent_delayed_ms: far.concurrent_ms,
      speedup_delayed: far.speedup,
    };
  });
}

async function compare(url, names) {
  const serial = [];
  const concurrent = [];
  for (let round = 0; round < ROUNDS; round++) {
    serial.push(
      await watchAll(url, names, async (manager) => {
        for (const name of names) await manager.getOrCreateWatcher(name);
      }),
    );
    concurrent.push(
      await watchAll(url, names, (manager) =>
        Promise.all(names.map((name) => manager.getOrCreateWatcher(name))),
      ),
    );
  }
  const [serial_ms, concurrent_ms] = [median(serial), median(concurrent)];
  return { serial_ms, concurrent_ms, speedup: serial_ms / concurrent_ms };
}

async function watchAll(url, names, ask) {
  collect();
  const bridge = await createBridge({
    nats: { server_url: url, max_bucket_watchers: BUCKETS, max_concurrent_loads: 16 },
    bundle: { file: BUNDLE },
  });
  try {
    const { ms } = await timed(() => ask(bridge.manager));
    for (const name of names) {
      if (bridge.store.bucket(name)?.keys !== KEYS) throw new Error(`${name} is not complete`);
    }
    return ms;
  } finally {
    await bridge.close();
  }
}
