import { createBridge } from "../../dist/index.js";

// Prints the resident set of a process in which a policy sees the bucket.

const [url, bucket] = process.argv.slice(2);
const bridge = await createBridge({
  nats: { server_url: url, load_timeout: "120s" },
  bundle: { file: "examples/groups/bundle.tar.gz" },
});
await bridge.manager.getOrCreateWatcher(bucket);
for (let round = 0; round < 4; round++) {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 100));
}
process.stdout.write(String(process.memoryUsage().rss));
await bridge.close();
