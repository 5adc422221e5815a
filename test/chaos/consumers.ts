import { connect } from "nats";
import type { World } from "./world.ts";

/** How many consumers the buckets' streams have, whoever made them. */
export async function countConsumers({ servers, buckets }: World): Promise<number> {
  const connection = await connect({ servers: servers.map((server) => server.url) });
  try {
    const jsm = await connection.jetstreamManager({ checkAPI: false });
    let count = 0;
    for (const { stream } of buckets) {
      const info = await jsm.streams.info(stream).catch(() => undefined);
      count += info?.state.consumer_count ?? 0;
    }
    return count;
  } finally {
    await connection.close();
  }
}
