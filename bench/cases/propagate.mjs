import { AckPolicy, createInbox, DeliverPolicy, nanos } from "nats";
import { createBridge } from "../../dist/index.js";
import { fillBucket, memberText, members, withNats } from "../lib/nats.mjs";
import { quantile } from "../lib/stats.mjs";

// From a put in NATS to the first decision that shows it, against the callback of a bare ordered consumer in the
// same process: 2,000 puts at 200 a second.

const PUTS = 2_000;
const INTERVAL_MS = 5;
const BUNDLE = "test/policies/basic/bundle.tar.gz";

export default async function measure() {
  return withNats(async ({ url, connection }) => {
    await fillBucket(connection, "group", members(10_000));
    const bridge = await createBridge({ nats: { server_url: url }, bundle: { file: BUNDLE } });
    const key = "members.user-0000001";
    try {
      await bridge.manager.getOrCreateWatcher("group");
      const bareAt = new Map();
      await bareConsumer(connection, key, (text) => bareAt.set(text, performance.now()));
      const decidedAt = new Map();
      const sent = new Map();
      // A decision right after each commit, which is the earliest that could show it.
      const end = bridge.store.onCommit(() => {
        void bridge.decide("basic/value", { bucket: "group", key }).then(({ result }) => {
          const text = String(result.sent);
          if (!decidedAt.has(text)) decidedAt.set(text, performance.now());
        });
      });
      const js = connection.jetstream();
      const start = performance.now();
      for (let index = 0; index < PUTS; index++) {
        const text = `{"sent":${index},"value":${memberText(index)}}`;
        sent.set(String(index), performance.now());
        const acknowledged = js.publish(`$KV.group.${key}`, text);
        const next = start + (index + 1) * INTERVAL_MS;
        await acknowledged;
        while (performance.now() < next) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      end();
      const ours = latencies(sent, decidedAt);
      const bare = latencies(sent, bareAt);
      if (ours.length < PUTS * 0.99) throw new Error(`${PUTS - ours.length} puts were never seen`);
      return {
        puts: PUTS,
        p50_ms: quantile(ours, 0.5),
        p99_ms: quantile(ours, 0.99),
        bare_p50_ms: quantile(bare, 0.5),
        bare_p99_ms: quantile(bare, 0.99),
        p50_ratio: quantile(ours, 0.5) / quantile(bare, 0.5),
      };
    } finally {
      await bridge.close();
    }
  });
}

async function bareConsumer(connection, key, heard) {
  const decoder = new TextDecoder();
  const inbox = createInbox();
  connection.subscribe(inbox, {
    callback(error, message) {
      if (error !== null || message.data.length === 0) return;
      heard(String(JSON.parse(decoder.decode(message.data)).sent));
    },
  });
  const manager = await connection.jetstreamManager();
  await manager.consumers.add("KV_group", {
    deliver_subject: inbox,
    deliver_policy: DeliverPolicy.New,
    filter_subject: `$KV.group.${key}`,
    ack_policy: AckPolicy.None,
    max_deliver: 1,
    idle_heartbeat: nanos(5_000),
    mem_storage: true,
    num_replicas: 1,
  });
}

function latencies(sent, seen) {
  const result = [];
  for (const [text, at] of sent) if (seen.has(text)) result.push(seen.get(text) - at);
  return result;
}
