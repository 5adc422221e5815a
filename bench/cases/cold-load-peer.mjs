import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createBridge } from "../../dist/index.js";
import { fillExample, inputs } from "../lib/group.mjs";
import { withNats } from "../lib/nats.mjs";
import { installOpaWithPlugin, startOpaWithPlugin } from "../lib/opa-server.mjs";
import { collect, median, timed } from "../lib/stats.mjs";

// A bucket of 100,000 keys from the first question until it is answered with its data: by the bridge, and by OPA
// with the Go plugin, its server running beside ours. Where that can't be built the bench says why, and gives our
// own time alone.

const MEMBERS = 100_000;
const ROUNDS = 3;
const BUNDLE = "examples/groups/bundle.tar.gz";
const REGO = "examples/groups/authz.rego";
const PEER_TIMEOUT_MS = 600_000;
/** How often the peer is asked: it answers at once, without the data, until its watcher has loaded it. */
const ASK_EVERY_MS = 20;

export default async function measure(report) {
  const folder = await mkdtemp(join(tmpdir(), "bench-peer-"));
  try {
    return await withNats(async ({ url, connection }) => {
      await fillExample(connection, MEMBERS);
      const file = await installOpaWithPlugin(report);
      const ours = [];
      const peer = [];
      for (let round = 0; round < ROUNDS; round++) {
        collect();
        ours.push(await ourLoad(url));
        if (file !== undefined) peer.push(await peerLoad(file, folder, url));
        report({ round, ours_ms: ours.at(-1), ...(file && { peer_ms: peer.at(-1) }) });
      }
      return {
        keys: MEMBERS,
        ours_ms: median(ours),
        ...(file && { peer_ms: median(peer), speedup: median(peer) / median(ours) }),
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ourLoad(url) {
  const bridge = await createBridge({
    nats: { server_url: url, root_bucket: "root" },
    bundle: { file: BUNDLE },
  });
  try {
    const [input] = inputs(MEMBERS, 1);
    const { ms } = await timed(async () => {
      const { result } = await bridge.decide("authz/allow", input);
      if (result !== true) throw new Error("the decision is wrong");
    });
    return ms;
  } finally {
    await bridge.close();
  }
}

async function peerLoad(file, folder, natsUrl) {
  const { child, url } = await startOpaWithPlugin(file, folder, natsUrl, REGO);
  try {
    await asking(`${url}/health`, undefined, ({ ok }) => ok);
    const [input] = inputs(MEMBERS, 1);
    const { ms } = await timed(() =>
      asking(`${url}/v1/data/authz/allow`, { input }, async (answer) => {
        const { result } = await answer.json();
        return result === true;
      }),
    );
    return ms;
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

/** Asks again and again until the answer is the one that is waited for. */
async function asking(url, body, isIt) {
  const end = performance.now() + PEER_TIMEOUT_MS;
  while (performance.now() < end) {
    try {
      const request = body && { method: "POST", body: JSON.stringify(body) };
      if (await isIt(await fetch(url, request))) return;
    } catch {
      // Not listening yet.
    }
    await delay(ASK_EVERY_MS);
  }
  throw new Error("the peer does not decide");
}
