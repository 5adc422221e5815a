import { setTimeout as delay } from "node:timers/promises";
import type { FleetCluster } from "./cluster.ts";

const IN_FLIGHT = 500;
const TICK_MS = 50;

/** About 90 bytes of JSON. */
function valueOf(index: number): string {
  return JSON.stringify({
    role: index % 10 === 0 ? "admin" : "member",
    since: "2026-01-31",
    id: 1_000_000 + index,
    team: `team-${index % 100}`,
    active: true,
    level: index % 7,
  });
}

function subjectOf(bucket: string, index: number): string {
  return `$KV.${bucket}.members.user-${String(index).padStart(7, "0")}`;
}

/** A bucket with three copies and so many keys. */
export async function makeBucket(
  cluster: FleetCluster,
  bucket: string,
  keys: number,
): Promise<void> {
  const { connection } = cluster;
  const js = connection.jetstream({ timeout: 30_000 });
  await js.views.kv(bucket, { history: 1, replicas: 3 });
  for (let from = 0; from < keys; from += IN_FLIGHT) {
    const count = Math.min(IN_FLIGHT, keys - from);
    await Promise.all(
      Array.from({ length: count }, (_, offset) =>
        js.publish(subjectOf(bucket, from + offset), valueOf(from + offset)),
      ),
    );
  }
}

export interface BucketKeys {
  readonly bucket: string;
  readonly keys: number;
}

/** Updates keys of buckets in turn, evenly spread over time; what nobody takes is not repeated. */
export class Updates {
  readonly #cluster: FleetCluster;
  readonly #buckets: readonly BucketKeys[];
  readonly #rate: number;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();
  /** Updates that the cluster has taken, by bucket. */
  readonly taken: Map<string, number> = new Map<string, number>();

  constructor(cluster: FleetCluster, buckets: readonly BucketKeys[], rate: number) {
    this.#cluster = cluster;
    this.#buckets = buckets;
    this.#rate = rate;
    for (const { bucket } of buckets) this.taken.set(bucket, 0);
  }

  get total(): number {
    return [...this.taken.values()].reduce((sum, count) => sum + count, 0);
  }

  begin(): void {
    this.#done = this.#run();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const js = this.#cluster.connection.jetstream({ timeout: 2_000 });
    const from = performance.now();
    let sent = 0;
    while (!this.#stop.signal.aborted) {
      const due = ((performance.now() - from) / 1_000) * this.#rate;
      for (; sent < due; sent++) {
        const { bucket, keys } = this.#buckets[sent % this.#buckets.length]!;
        const index = Math.floor(sent / this.#buckets.length) % keys;
        js.publish(subjectOf(bucket, index), valueOf(index)).then(
          () => this.taken.set(bucket, this.taken.get(bucket)! + 1),
          () => undefined,
        );
      }
      await delay(Math.min(TICK_MS, 1_000 / this.#rate));
    }
  }
}
