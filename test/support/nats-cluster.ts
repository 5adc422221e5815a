import { connect } from "nats";
import { setTimeout as delay } from "node:timers/promises";
import { startNatsServer, type NatsServer, type NatsServerOptions } from "./nats-server.ts";
import { freePort } from "./ports.ts";

const READY_TIMEOUT_MS = 30_000;

/** Servers that form one cluster, with JetStream across them. */
export interface NatsCluster extends AsyncDisposable {
  nodes: NatsServer[];
  /** The nodes' addresses, for a client that may use any of them. */
  urls: string[];
  stop(): Promise<void>;
}

/** Where the nodes listen: on one port, at these addresses, one for each node. */
export interface ClusterAddresses {
  hosts: readonly string[];
  port: number;
}

/**
 * Starts a cluster of `size` servers; when the promise resolves, JetStream has a leader and streams can be
 * made. `options` hold for every node. Without `advertise` they don't tell clients of each other.
 */
export async function startNatsCluster(
  size = 3,
  options: Omit<NatsServerOptions, "port" | "dir" | "host"> = {},
  { advertise = true, addresses }: { advertise?: boolean; addresses?: ClusterAddresses } = {},
): Promise<NatsCluster> {
  const routes: number[] = [];
  while (routes.length < size) {
    const port = await freePort();
    if (!routes.includes(port)) routes.push(port);
  }
  const list = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const starting = routes.map((port, index) =>
    startNatsServer({
      ...options,
      ...(addresses !== undefined && { host: addresses.hosts[index]!, port: addresses.port }),
      config: [
        `server_name: "n${index + 1}"`,
        `cluster { name: "test", listen: "127.0.0.1:${port}", routes: [${list}], no_advertise: ${!advertise} }`,
        options.config ?? "",
      ].join("\n"),
    }),
  );
  const results = await Promise.allSettled(starting);
  const nodes = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (const result of results) if (result.status === "rejected") throw result.reason;
    // Clients with special credentials are the test's own; only an open cluster can be asked here.
    if ((options.jetstream ?? true) && options.config === undefined && options.tls === undefined) {
      await waitForLeader(nodes);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes, urls: nodes.map((node) => node.url), stop, [Symbol.asyncDispose]: stop };
}

async function waitForLeader(nodes: readonly NatsServer[]): Promise<void> {
  const connection = await connect({ servers: nodes.map((node) => node.url) });
  try {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    let last: unknown;
    while (Date.now() < deadline) {
      try {
        const manager = await connection.jetstreamManager({ timeout: 2_000 });
        // A stream with a copy on every node shows that all of them take part.
        await manager.streams.add({
          name: "READY",
          subjects: ["ready"],
          num_replicas: nodes.length,
        });
        await manager.streams.delete("READY");
        return;
      } catch (error) {
        last = error;
        await delay(200);
      }
    }
    throw new Error(`the cluster has no JetStream leader after ${READY_TIMEOUT_MS} ms`, {
      cause: last,
    });
  } finally {
    await connection.close();
  }
}
