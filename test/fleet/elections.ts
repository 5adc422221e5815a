import { setTimeout as delay } from "node:timers/promises";
import type { FleetCluster } from "./cluster.ts";

const ASK_MS = 100;

/**
 * Kills the node and watches the buckets: the answer is when each one that had its leader there had another, and
 * 0 for the others, in seconds after the loss; and the same of JetStream's own leader.
 */
export async function lose(
  cluster: FleetCluster,
  node: string,
  buckets: readonly string[],
  leaders: ReadonlyMap<string, string>,
  meta: string,
): Promise<{ killedAt: number; over: Promise<{ streams: number[]; meta: number }> }> {
  await cluster.kill(node);
  const killedAt = Date.now();
  const since = (): number => (Date.now() - killedAt) / 1_000;
  const led = async (bucket: string): Promise<number> => {
    if (leaders.get(bucket) !== node) return 0;
    while (!(await cluster.isLed(bucket))) await delay(ASK_MS);
    return since();
  };
  const ruled = async (): Promise<number> => {
    if (meta !== node) return 0;
    for (;;) {
      const leader = await cluster.metaLeader();
      if (leader !== "" && leader !== node) return since();
      await delay(ASK_MS);
    }
  };
  const over = Promise.all([Promise.all(buckets.map(led)), ruled()]).then(([streams, ruler]) => ({
    streams,
    meta: ruler,
  }));
  return { killedAt, over };
}
