import type { BucketRun } from "../../src/nats/bucket-source.ts";
import { bucketsOf } from "../../src/nats/bucket-source-of.ts";
import { NatsLink } from "../../src/nats/connection.ts";
import type { FleetCluster } from "./cluster.ts";

/** Each with one stream of each bucket, as a bridge has. */
const CONNECTIONS = 6;

export async function linkTo(cluster: FleetCluster, name: string): Promise<NatsLink> {
  const link = new NatsLink({
    servers: cluster.running,
    name,
    auth: { mode: "none" },
    connectTimeoutMs: 5_000,
    maxReconnectAttempts: -1,
    reconnectWaitMs: 500,
    retryOnFailedConnect: false,
  });
  await link.start();
  return link;
}

/**
 * Streams as bridges open them, in this process: to the servers they are as good as bridges, and so many that what
 * each of them costs the servers shows.
 */
export class Crowd implements AsyncDisposable {
  readonly #links: readonly NatsLink[];
  readonly #runs: BucketRun[] = [];

  constructor(links: readonly NatsLink[]) {
    this.#links = links;
  }

  get consumers(): number {
    return this.#runs.length;
  }

  async follow(buckets: readonly string[]): Promise<void> {
    const sources = this.#links.map(bucketsOf);
    const loaded = sources.flatMap((source) =>
      buckets.map(
        (bucket) =>
          new Promise<void>((resolve, reject) => {
            const run = source.open(bucket, {
              opened: () => undefined,
              entry: () => undefined,
              whole: () => undefined,
              current: () => undefined,
              loaded: () => resolve(),
              ended: reject,
            });
            this.#runs.push(run);
          }),
      ),
    );
    await Promise.all(loaded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#runs) run.stop();
    await Promise.all(this.#links.map((link) => link.close()));
  }
}

export async function startCrowd(
  cluster: FleetCluster,
  buckets: readonly string[],
): Promise<Crowd> {
  const names = Array.from({ length: CONNECTIONS }, (_, at) => `crowd-${at + 1}`);
  const crowd = new Crowd(await Promise.all(names.map((name) => linkTo(cluster, name))));
  await crowd.follow(buckets);
  return crowd;
}
