import { connect } from "nats";
import { startNats } from "../../dist/cli/demo/nats-process.js";

/** A server of its own, a connection to it, and the end of both. */
export async function withNats(run) {
  const server = await startNats(undefined, new AbortController().signal);
  const connection = await connect({ servers: server.url });
  try {
    return await run({ url: server.url, connection });
  } finally {
    await connection.close();
    await server.stop();
  }
}

const IN_FLIGHT = 2_000;

/** Makes a bucket and fills it; `entries` yields [key, JSON text]. */
export async function fillBucket(connection, bucket, entries) {
  const js = connection.jetstream();
  await js.views.kv(bucket, { history: 1 });
  let waiting = [];
  for (const [key, text] of entries) {
    waiting.push(js.publish(`$KV.${bucket}.${key}`, text));
    if (waiting.length < IN_FLIGHT) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
}

/** Members as the example has them: about 90 bytes of JSON each. */
export function* members(count, prefix = "members") {
  for (let index = 0; index < count; index++) {
    yield [`${prefix}.user-${String(index).padStart(7, "0")}`, memberText(index)];
  }
}

export function memberText(index) {
  return JSON.stringify({
    role: index % 10 === 0 ? "admin" : "member",
    since: "2026-01-31",
    id: index,
    team: `team-${index % 100}`,
    active: true,
    level: index % 7,
  });
}
