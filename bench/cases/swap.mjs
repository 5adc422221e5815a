import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { createBridge } from "../../dist/index.js";
import { unpackBundle } from "../../dist/policy/bundle-files.js";
import { takeOwnCore } from "../lib/cores.mjs";
import { group, ROLES } from "../lib/group.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, median } from "../lib/stats.mjs";
import { compareRounds, observe, RATE_MS } from "../lib/steady.mjs";

// Decisions at a steady rate, in quiet and while a new bundle is read, put beside the running one with all data, and
// takes over. Once the 100,000 members are the bundle's own data, once a watched bucket's.

const BUNDLE = "examples/groups/bundle.tar.gz";
const MEMBERS = 100_000;
const QUIET_MS = 1_500;
const SWAPS = 7;
const AFTER_MS = 300;

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    const own_core = takeOwnCore();
    await fillBucket(connection, "group", group(1_000));
    await fillBucket(connection, "big", members(MEMBERS));
    const own = await swaps(url, [], ownData());
    report({ members: "in the bundle", ...own });
    const watched = await swaps(url, ["big"], {});
    report({ members: "in a bucket", ...watched });
    return {
      p99_ratio: Math.max(own.p99_ratio, watched.p99_ratio),
      failed: own.failed + watched.failed,
      activation_ms: own.activation_ms,
      p99_ratio_own: own.p99_ratio,
      p99_ratio_watched: watched.p99_ratio,
      max_ms_own: own.max_ms,
      max_ms_watched: watched.max_ms,
      activation_ms_watched: watched.activation_ms,
      own_core,
    };
  });
}

function ownData() {
  const users = [...members(MEMBERS)].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  return { "data.json": `{"roles":${JSON.stringify(ROLES)},"team":{${users.join(",")}}}` };
}

async function swaps(url, buckets, files) {
  const folder = await mkdtemp(join(tmpdir(), "swap-"));
  const file = join(folder, "bundle.tar.gz");
  await writeFile(file, await bundle("r0", files));
  const bridge = await createBridge({
    nats: { server_url: url, load_timeout: "120s" },
    bundle: { file },
  });
  try {
    for (const bucket of ["group", ...buckets]) await bridge.manager.getOrCreateWatcher(bucket);
    const next = [];
    for (let swap = 1; swap <= SWAPS; swap++) next.push(await bundle(`r${swap}`, files));
    const rounds = [];
    collect();
    for (const [index, bytes] of next.entries()) {
      await writeFile(`${file}.new`, bytes);
      const quiet = await observe(bridge, () => sleep(QUIET_MS));
      const revision = `r${index + 1}`;
      let activation_ms;
      const busy = await observe(bridge, async () => {
        const start = performance.now();
        await rename(`${file}.new`, file);
        while (bridge.status().bundles.bundle.active_revision !== revision) await sleep(RATE_MS);
        activation_ms = performance.now() - start;
        // What a swap has left behind goes on costing something for a moment.
        await sleep(AFTER_MS);
      });
      rounds.push({ quiet, busy, activation_ms });
    }
    return {
      ...compareRounds(rounds),
      activation_ms: median(rounds.map((round) => round.activation_ms)),
    };
  } finally {
    await bridge.close();
    await rm(folder, { recursive: true });
  }
}

/** The example's bundle with another revision and module, and with some files changed. */
async function bundle(revision, changes) {
  const files = new Map(await unpackBundle(await readFile(BUNDLE), BUNDLE));
  const manifest = JSON.parse(files.get(".manifest").toString());
  files.set(".manifest", JSON.stringify({ ...manifest, revision }));
  for (const [name, content] of Object.entries(changes)) files.set(name, content);
  files.set("policy.wasm", anotherModule(files.get("policy.wasm"), revision));
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name }, content);
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

/** The same policy in a module that is not known yet: with a custom section (WebAssembly Core Specification, 5.5.3). */
function anotherModule(module, text) {
  return Buffer.concat([module, Buffer.from([0, text.length + 1, text.length]), Buffer.from(text)]);
}
