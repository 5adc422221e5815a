import { createBridge } from "../../dist/index.js";
import { fillBucket, members, withNats } from "../lib/nats.mjs";
import { timed } from "../lib/stats.mjs";

// 1,000 concurrent first requests for one bucket.

const CALLERS = 1_000;
const KEYS = 2_000;

export default async function measure() {
  return withNats(async ({ url, connection }) => {
    await fillBucket(connection, "group", members(KEYS));
    const bridge = await createBridge({
      nats: { server_url: url },
      bundle: { file: "examples/groups/bundle.tar.gz" },
    });
    try {
      const input = { user: "user-0000001", group: "group", action: "read", resource: "x" };
      const { ms, value } = await timed(() =>
        Promise.all(Array.from({ length: CALLERS }, () => bridge.decide("authz/decision", input))),
      );
      const answers = new Set(value.map(({ result }) => result.roles.join()));
      if (answers.size !== 1) throw new Error("the callers were told different things");
      return {
        callers: CALLERS,
        watchers_started: bridge.manager.status().counts.created,
        all_answered_ms: ms,
      };
    } finally {
      await bridge.close();
    }
  });
}
