import { PolicyEngine, PolicyStore, readBundle } from "../../dist/index.js";
import { memberText, members } from "../lib/nats.mjs";
import { collect, median } from "../lib/stats.mjs";
import { PolicyModule } from "../../dist/policy/policy-module.js";
import { WasmInstance } from "../../dist/policy/wasm-instance.js";

// One changed key, visible to the next decision: from the commit of the store to the patched memory, at several
// sizes of the data, against handing all data over anew.

const SIZES = [1_000, 100_000, 1_000_000];
const CHANGES = 20_000;
const ROUNDS = 5;
const BUNDLE = "examples/groups/bundle.tar.gz";

export default async function measure(report) {
  const patch = {};
  const setData = {};
  for (const size of SIZES) {
    const store = new PolicyStore();
    const engine = await newEngine(store);
    const owner = {};
    const document = store.createDocument("group");
    let revision = 0;
    for (const [key, text] of members(size)) {
      document.apply({ key, revision: ++revision, value: { text, kind: "json" } });
    }
    await store.prepare("group", document);
    await store.transact((tx) => tx.mount("group", owner, document));
    if (engine.policy.residentFigures.mode !== "patched") throw new Error("nothing is patched");

    const rounds = [];
    for (let round = 0; round <= ROUNDS; round++) {
      collect();
      const start = performance.now();
      for (let index = 0; index < CHANGES; index++) {
        const user = (index * 7_919 + round) % size;
        const key = `members.user-${String(user).padStart(7, "0")}`;
        const value = { text: memberText(index + round), kind: "json" };
        const transaction = await store.begin();
        transaction.change("group", owner, [{ key, revision: ++revision, value }]);
        transaction.commit();
      }
      // The first round warms up.
      if (round > 0) rounds.push(((performance.now() - start) * 1_000) / CHANGES);
    }
    patch[size] = median(rounds);
    setData[size] = await setDataMicroseconds(store, size);
    report({ keys: size, patch_us: patch[size], setdata_us: setData[size] });
    engine.close();
  }
  return {
    patch_us_1k: patch[1_000],
    patch_us_100k: patch[100_000],
    patch_us_1m: patch[1_000_000],
    setdata_us_1k: setData[1_000],
    setdata_us_100k: setData[100_000],
    setdata_us_1m: setData[1_000_000],
    flatness: patch[1_000_000] / patch[1_000],
    speedup_100k: setData[100_000] / patch[100_000],
  };
}

async function newEngine(store) {
  const engine = new PolicyEngine({
    store,
    demand: {
      isWatched: (bucket) => store.hasBucket(bucket),
      watch: () => undefined,
      load: () => Promise.reject(new Error("nothing to load")),
      pin: () => () => undefined,
      recentFailure: () => undefined,
      state: () => ({ state: "live" }),
    },
    queryTimeoutMs: 1_000,
  });
  await engine.activate(await readBundle(BUNDLE));
  return engine;
}

/** The whole way without patches: the document's text is made, and parsed in an instance with memory reserved. */
async function setDataMicroseconds(store, size) {
  const { wasm } = await readBundle(BUNDLE);
  const instance = await WasmInstance.create(await PolicyModule.prepare(wasm), 4 * 1024 ** 3);
  const times = [];
  for (let round = 0; round < (size >= 1_000_000 ? 2 : 5); round++) {
    collect();
    const start = performance.now();
    instance.setData(store.text([]));
    times.push((performance.now() - start) * 1_000);
  }
  return median(times);
}
