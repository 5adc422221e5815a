import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPolicy } from "@open-policy-agent/opa-wasm";
import { createBridge, readBundle } from "../../dist/index.js";
import { buildPeer, runPeer } from "../lib/go-peer.mjs";
import { fillExample, inputs, wholeDocument } from "../lib/group.mjs";
import { withNats } from "../lib/nats.mjs";
import { collect, median } from "../lib/stats.mjs";

// The example's policy (two lookups, one iteration over 20 permissions) against 100,000 members: through the bridge,
// through bare opa-wasm with the same data set once, and through OPA's own evaluator in process.

const MEMBERS = 100_000;
const ROUNDS = 5;
const ROUND_MS = 1_500;
const BUNDLE = "examples/groups/bundle.tar.gz";
const ENTRYPOINT = "authz/allow";

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    await fillExample(connection, MEMBERS);
    const bridge = await createBridge({
      nats: { server_url: url, root_bucket: "root" },
      bundle: { file: BUNDLE },
    });
    try {
      await bridge.manager.getOrCreateWatcher("group");
      const questions = inputs(MEMBERS, 1_000);
      const bare = await bareWasm();
      for (const input of questions) {
        const { result } = await bridge.decide(ENTRYPOINT, input);
        if (result !== bare(input)) throw new Error("the two disagree");
      }
      const rates = { ours: [], bare: [] };
      for (let round = 0; round < ROUNDS; round++) {
        collect();
        rates.bare.push(await perSecond(bare, questions, false));
        collect();
        rates.ours.push(
          await perSecond((input) => bridge.decide(ENTRYPOINT, input), questions, true),
        );
        report({ round, ours_per_s: rates.ours.at(-1), bare_per_s: rates.bare.at(-1) });
      }
      const ours = median(rates.ours);
      const go = await opaGo(questions.slice(0, 200));
      return {
        members: MEMBERS,
        ours_per_s: ours,
        bare_per_s: median(rates.bare),
        ...(go !== undefined && { opa_go_per_s: go, vs_opa_go: ours / go }),
        vs_bare: ours / median(rates.bare),
      };
    } finally {
      await bridge.close();
    }
  });
}

/** Bare opa-wasm is synchronous; awaiting it would measure the awaiting. */
async function perSecond(decide, questions, awaited) {
  let count = 0;
  const start = performance.now();
  let elapsed = 0;
  while ((elapsed = performance.now() - start) < ROUND_MS) {
    for (let index = 0; index < 200; index++, count++) {
      const answer = decide(questions[count % questions.length]);
      if (awaited) await answer;
    }
  }
  return (count * 1_000) / elapsed;
}

async function bareWasm() {
  const { wasm } = await readBundle(BUNDLE);
  const policy = await loadPolicy(
    wasm,
    { initial: 16_384 },
    { "nats.kv.watch_bucket": () => true, "nats.kv.get_data": () => null },
  );
  policy.setData(wholeDocument(MEMBERS));
  return (input) => policy.evaluate(input, ENTRYPOINT)[0].result;
}

async function opaGo(questions) {
  const peer = await buildPeer("opa-eval");
  if (peer === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "bench-"));
  try {
    const data = join(folder, "data.json");
    const asked = join(folder, "inputs.json");
    await writeFile(data, JSON.stringify(wholeDocument(MEMBERS)));
    await writeFile(asked, JSON.stringify(questions));
    const policy = "examples/groups/authz.rego";
    const args = ["-policy", policy, "-data", data, "-inputs", asked];
    const { per_second: rate } = await runPeer(peer, args);
    return rate;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
