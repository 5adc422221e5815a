import { setTimeout as delay } from "node:timers/promises";
import { queryObjects } from "node:v8";

/** What a bridge is made of, by the modules of the package: whatever holds on to one of its parts holds one of these. */
const PARTS = {
  "bridge.js": "Bridge",
  "nats/bucket-stream.js": "BucketStream",
  "nats/connection.js": "NatsLink",
  "policy/patched-data.js": "PatchedData",
  "policy/policy.js": "Policy",
  "policy/wasm-instance.js": "WasmInstance",
  "store/bucket-document.js": "BucketDocument",
  "store/policy-store.js": "PolicyStore",
  "watch/bucket-watcher.js": "BucketWatcher",
  "watch/manager.js": "BucketWatcherManager",
};
const SETTLING_MS = 10_000;

type Class = abstract new (...values: never[]) => unknown;

const classes = await Promise.all(
  Object.entries(PARTS).map(async ([file, name]): Promise<Class> => {
    const url = new URL(`../../../../dist/${file}`, import.meta.url);
    const module = (await import(url.href)) as Record<string, Class>;
    const found = module[name];
    if (found === undefined) throw new Error(`dist/${file} has no class ${name}.`);
    return found;
  }),
);

/** Which parts of bridges the process still holds, each with how many. */
function heldNow(): string[] {
  // Collects the garbage first. A number, as nothing else was asked for.
  const counts = classes.map((part) => ({ name: part.name, count: Number(queryObjects(part)) }));
  return counts.flatMap(({ name, count }) => (count === 0 ? [] : [`${count} × ${name}`]));
}

/** The same, when there should be none; what is being closed is given some time. */
export async function heldParts(): Promise<string[]> {
  const deadline = performance.now() + SETTLING_MS;
  for (;;) {
    const held = heldNow();
    if (held.length === 0 || performance.now() > deadline) return held;
    await delay(500);
  }
}
