import { Mutex } from "async-mutex";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { setTimeout as delay } from "node:timers/promises";
import { startNatsCluster } from "../support/nats-cluster.ts";
import { serverVersionAtLeast, startNatsServer, type NatsServer } from "../support/nats-server.ts";
import { Blindness } from "./blindness.ts";
import { ChaosBucket } from "./bucket.ts";
import { Oracle } from "./oracle.ts";
import type { Plan } from "./plan.ts";
import type { Random } from "./random.ts";
import { CHAOS_USER } from "./users.ts";
import { startSubject, type Subject } from "./subject.ts";

const INSIST_MS = 30_000;

/** Everything of one run: servers, buckets, bridges, and what is known to be true. */
export class World {
  readonly plan: Plan;
  readonly servers: readonly NatsServer[];
  readonly oracle: Oracle = new Oracle();
  readonly blindness: Blindness = new Blindness();
  readonly jsm: JetStreamManager;
  readonly buckets: readonly ChaosBucket[];
  /** Held from a server's end until its next start's values are known: answers are judged after that. */
  readonly restoring: Mutex = new Mutex();
  readonly #connection: NatsConnection;
  readonly #servers = new Mutex();
  readonly #report: (line: string) => void;
  #subjects: readonly Subject[] = [];

  constructor(
    plan: Plan,
    servers: readonly NatsServer[],
    connection: NatsConnection,
    jsm: JetStreamManager,
    report: (line: string) => void,
  ) {
    this.plan = plan;
    this.servers = servers;
    this.#connection = connection;
    this.jsm = jsm;
    const js = connection.jetstream();
    const knowsTtl = serverVersionAtLeast(servers[0]!, "2.11.0");
    this.buckets = plan.buckets.map(
      (bucket) =>
        new ChaosBucket({ ...bucket, ownTtl: bucket.ownTtl && knowsTtl }, js, jsm, this.oracle),
    );
    this.#report = report;
  }

  get subjects(): readonly Subject[] {
    return this.#subjects;
  }

  report(line: string): void {
    this.#report(line);
  }

  /** Fills the buckets and starts the bridges. */
  async begin(random: Random, withoutRepair: boolean): Promise<void> {
    for (const bucket of this.buckets) {
      await this.insist(() => bucket.create());
      await bucket.fill(random);
    }
    this.#subjects = await Promise.all(
      this.plan.bridges.map((bridge) =>
        this.insist(() => startSubject(bridge, this.servers, withoutRepair)),
      ),
    );
  }

  /** Servers go and come inside of this, one at a time. */
  changingServers<T>(work: () => Promise<T>): Promise<T> {
    return this.#servers.runExclusive(work);
  }

  /** No server goes while this is done. */
  keepingServers<T>(work: () => Promise<T>): Promise<T> {
    return this.#servers.runExclusive(work);
  }

  /** Repeats what fails until NATS can do it. */
  insist = async <T>(work: () => Promise<T>): Promise<T> => {
    const deadline = performance.now() + INSIST_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await delay(50);
      }
    }
  };

  async closeSubjects(): Promise<void> {
    await Promise.all(this.#subjects.map((subject) => subject.close()));
  }

  async disconnect(): Promise<void> {
    await this.#connection.close();
  }

  async stopServers(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}

/** Starts the servers of a plan, and a client of the harness's own that reaches them whatever happens to bridges. */
export async function makeWorld(plan: Plan, report: (line: string) => void): Promise<World> {
  const servers =
    plan.nodes === 1
      ? [await startNatsServer()]
      : (await startNatsCluster(plan.nodes, {}, { advertise: false })).nodes;
  const connection = await connect({
    servers: servers.map((server) => server.url),
    name: "chaos",
    user: CHAOS_USER.username,
    pass: CHAOS_USER.password,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 20,
    pingInterval: 1_000,
    maxPingOut: 2,
    // Longer than any pause: the library would leave behind the socket of an attempt that it gives up.
    timeout: 8_000,
  });
  const jsm = await connection.jetstreamManager({ timeout: 1_000, checkAPI: false });
  return new World(plan, servers, connection, jsm, report);
}
