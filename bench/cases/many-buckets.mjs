import {
  bucketsOf,
  BucketWatcherManager,
  createBridge,
  NatsLink,
  parseConfig,
  PolicyStore,
} from "../../dist/index.js";
import { startDelayProxy } from "../lib/delay-proxy.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, median, timed } from "../lib/stats.mjs";

// 50 cold buckets of 2,000 keys, from the first request until all are watched: asked for one after the other,
// and all at once. With a round trip of 5 ms between client and server, and without. The manager and the store by
// themselves, and (bridge_…) with a policy that has all of it put into its memory too.

const BUCKETS = 50;
const KEYS = 2_000;
const ROUND_TRIP_MS = 5;
const ROUNDS = 7;
const BUNDLE = "examples/groups/bundle.tar.gz";

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    const names = Array.from({ length: BUCKETS }, (_, index) => `group-${index}`);
    for (const name of names) await fillBucket(connection, name, members(KEYS));
    const fields = { buckets: BUCKETS };
    const proxy = await startDelayProxy(Number(new URL(url).port), ROUND_TRIP_MS);
    const sides = [
      { prefix: "", watch: watchByManager },
      { prefix: "bridge_", watch: watchByBridge },
    ];
    const ways = [
      { suffix: "", address: url },
      { suffix: "_delayed", address: proxy.url },
    ];
    for (const { prefix, watch } of sides) {
      for (const { suffix, address } of ways) {
        const result = await compare(watch, address, names);
        for (const [name, value] of Object.entries(result)) fields[prefix + name + suffix] = value;
        report({ side: `${prefix}watch${suffix}`, ...result });
      }
    }
    await proxy.stop();
    return fields;
  });
}

async function compare(watch, url, names) {
  const serial = [];
  const concurrent = [];
  for (let round = 0; round < ROUNDS; round++) {
    serial.push(
      await watch(url, names, async (manager) => {
        for (const name of names) await manager.getOrCreateWatcher(name);
      }),
    );
    concurrent.push(
      await watch(url, names, (manager) =>
        Promise.all(names.map((name) => manager.getOrCreateWatcher(name))),
      ),
    );
  }
  const [serial_ms, concurrent_ms] = [median(serial), median(concurrent)];
  return { serial_ms, concurrent_ms, speedup: serial_ms / concurrent_ms };
}

const LIMITS = { max_bucket_watchers: BUCKETS, max_concurrent_loads: BUCKETS };

async function watchByManager(url, names, ask) {
  collect();
  const { nats, watch } = parseConfig({ nats: { server_url: url, ...LIMITS } });
  const link = new NatsLink({ ...nats, auth: { mode: "none" }, retryOnFailedConnect: false });
  await link.start();
  const store = new PolicyStore();
  const manager = new BucketWatcherManager({
    ...watch,
    store,
    source: bucketsOf(link),
  });
  const { ms } = await timed(() => ask(manager));
  checkComplete(store, names);
  await manager.stop();
  await link.close();
  return ms;
}

async function watchByBridge(url, names, ask) {
  collect();
  const bridge = await createBridge({
    nats: { server_url: url, ...LIMITS },
    bundle: { file: BUNDLE },
  });
  const { ms } = await timed(() => ask(bridge.manager));
  checkComplete(bridge.store, names);
  await bridge.close();
  return ms;
}

function checkComplete(store, names) {
  for (const name of names) {
    if (store.bucket(name)?.keys !== KEYS) throw new Error(`${name} is not complete`);
  }
}
