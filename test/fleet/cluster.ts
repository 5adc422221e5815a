import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.ts";
import type { NatsServer } from "../support/nats-server.ts";

const NODES = 3;

/** Where the parts of a fleet are: which chance decides, and no model. */
export interface Placement {
  /** The node that leads JetStream. */
  readonly meta: string;
  /** Each bucket's leader. */
  readonly leaders: ReadonlyMap<string, string>;
  readonly bridges: ReadonlyMap<
    string,
    { readonly node: string; readonly consumers: ReadonlyMap<string, string> }
  >;
}

/** A cluster of three, and what it costs. */
export class FleetCluster implements AsyncDisposable {
  readonly nodes: readonly NatsServer[];
  readonly urls: readonly string[];
  readonly #cluster: NatsCluster;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;

  constructor(cluster: NatsCluster, connection: NatsConnection, manager: JetStreamManager) {
    this.#cluster = cluster;
    this.nodes = cluster.nodes;
    this.urls = cluster.urls;
    this.connection = connection;
    this.manager = manager;
  }

  /** Processor time of the servers that run, in seconds. */
  cpu(): number {
    return this.#running.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  }

  get names(): string[] {
    return this.nodes.map((_, index) => nameOf(index));
  }

  urlOf(name: string): string {
    return this.urls[Number(name.slice(1)) - 1]!;
  }

  nameOfUrl(address: string): string {
    const port = address.slice(address.lastIndexOf(":") + 1);
    return nameOf(this.urls.findIndex((url) => url.endsWith(`:${port}`)));
  }

  async kill(name: string): Promise<void> {
    await this.nodes[Number(name.slice(1)) - 1]!.kill();
  }

  /** JetStream requests that the servers which run have counted. */
  async requests(): Promise<number> {
    const answers = await Promise.all(
      this.#running.map((node) => monitor(node, "jsz") as Promise<{ api: { total: number } }>),
    );
    return answers.reduce((sum, { api }) => sum + api.total, 0);
  }

  /** The addresses of the nodes that run. */
  get running(): string[] {
    return this.#running.map(({ url }) => url);
  }

  /** Whether the bucket's stream has a leader that runs, as the nodes themselves see it. */
  async isLed(bucket: string): Promise<boolean> {
    const names = new Set(this.nodes.flatMap((node, at) => (node.running ? [nameOf(at)] : [])));
    for (const node of this.#running) {
      const { account_details = [] } = (await monitor(node, "jsz?streams=1")) as {
        account_details?: {
          stream_detail?: { name: string; cluster?: { leader?: string } }[];
        }[];
      };
      const streams = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
      const leader = streams.find(({ name }) => name === `KV_${bucket}`)?.cluster?.leader;
      // A node tells of itself what it knows; of others, what it has heard.
      if (leader !== undefined && names.has(leader)) return true;
    }
    return false;
  }

  async metaLeader(): Promise<string> {
    const { meta_cluster } = (await monitor(this.#running[0]!, "jsz")) as {
      meta_cluster?: { leader?: string };
    };
    return meta_cluster?.leader ?? "";
  }

  async placement(buckets: readonly string[]): Promise<Placement> {
    const inboxes = new Map<string, { bridge: string; node: string }>();
    for (const [index, node] of this.nodes.entries()) {
      if (!node.running) continue;
      const { connections } = (await monitor(node, "connz?subs=1&limit=10000")) as {
        connections: { name?: string; subscriptions_list?: string[] }[];
      };
      for (const { name = "", subscriptions_list = [] } of connections) {
        for (const subject of subscriptions_list)
          inboxes.set(subject, { bridge: name, node: nameOf(index) });
      }
    }
    const bridges = new Map<string, { node: string; consumers: Map<string, string> }>();
    const leaders = new Map<string, string>();
    for (const bucket of buckets) {
      const { cluster } = await this.manager.streams.info(`KV_${bucket}`);
      leaders.set(bucket, cluster?.leader ?? "");
      for await (const { config, cluster: home } of this.manager.consumers.list(`KV_${bucket}`)) {
        const owner = inboxes.get(config.deliver_subject ?? "");
        if (owner === undefined) continue;
        const bridge = bridges.get(owner.bridge) ?? { node: owner.node, consumers: new Map() };
        bridges.set(owner.bridge, bridge);
        bridge.consumers.set(bucket, home?.leader ?? "");
      }
    }
    return { meta: await this.metaLeader(), leaders, bridges };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
    await this.#cluster.stop();
  }

  get #running(): NatsServer[] {
    return this.nodes.filter((node) => node.running);
  }
}

/** Resolves when streams of three copies can be made. */
export async function startFleetCluster(): Promise<FleetCluster> {
  const cluster = await startNatsCluster(NODES, { config: "http: 127.0.0.1:-1" });
  const connection = await connect({ servers: cluster.urls, maxReconnectAttempts: -1 });
  const manager = await connection.jetstreamManager({ checkAPI: false, timeout: 10_000 });
  for (;;) {
    try {
      await manager.streams.add({ name: "READY", subjects: ["ready"], num_replicas: NODES });
      await manager.streams.delete("READY");
      return new FleetCluster(cluster, connection, manager);
    } catch {
      await delay(200);
    }
  }
}

function nameOf(index: number): string {
  return `n${index + 1}`;
}

async function monitor(node: NatsServer, path: string): Promise<unknown> {
  const port = /Starting http monitor on 127\.0\.0\.1:(\d+)/.exec(node.logs())?.[1];
  const response = await fetch(`http://127.0.0.1:${port}/${path}`);
  return response.json();
}

/** As the scheduler counts it, thread by thread: to the microsecond, where the process's own count has hundredths. */
function cpuSeconds(pid: number): number {
  const threads = `/proc/${pid}/task`;
  let nanos = 0;
  for (const thread of readdirSync(threads)) {
    const [running = "0"] = readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ");
    nanos += Number(running);
  }
  return nanos / 1e9;
}
