import { createBridge } from "../../dist/index.js";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { collect, median, timed } from "../lib/stats.mjs";
import { connect } from "nats";

// A bucket of 100,000 keys, from nothing to visible to a policy, against a plain watch that is drained into a Map
// with JSON.parse. Both connect first; the sides take turns, so that both see the same machine.

const KEYS = 100_000;
const ROUNDS = 5;
const BUNDLE = "examples/groups/bundle.tar.gz";

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    await fillBucket(connection, "cold", [
      ["metadata", '{"name":"Cold","active":true}'],
      ["permissions.read", '{"resource":"x","action":"read","roles":["member"],"effect":"allow"}'],
      ...members(KEYS),
    ]);
    const ours = [];
    const bare = [];
    for (let round = 0; round < ROUNDS; round++) {
      collect();
      bare.push((await bareWatch(url)).ms);
      collect();
      ours.push((await ourLoad(url)).ms);
      report({ round, ours_ms: ours.at(-1), bare_watch_ms: bare.at(-1) });
    }
    return {
      keys: KEYS,
      ours_ms: median(ours),
      bare_watch_ms: median(bare),
      ratio: median(ours) / median(bare),
    };
  });
}

async function ourLoad(url) {
  const bridge = await createBridge({ nats: { server_url: url }, bundle: { file: BUNDLE } });
  try {
    const input = { user: "user-0000001", group: "cold", action: "read", resource: "x" };
    // The first answer waits for the load, so it is given when the policy sees the bucket.
    return await timed(async () => {
      const { result } = await bridge.decide("authz/allow", input);
      if (result !== true) throw new Error("the decision is wrong");
    });
  } finally {
    await bridge.close();
  }
}

async function bareWatch(url) {
  const connection = await connect({ servers: url });
  try {
    const decoder = new TextDecoder();
    const values = new Map();
    return await timed(async () => {
      const kv = await connection.jetstream().views.kv("cold", { bindOnly: true });
      for await (const entry of await kv.watch()) {
        values.set(entry.key, JSON.parse(decoder.decode(entry.value)));
        if (entry.delta === 0) break;
      }
      if (values.size !== KEYS + 2) throw new Error("keys are missing");
    });
  } finally {
    await connection.close();
  }
}
