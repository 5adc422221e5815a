import { setTimeout as delay } from "node:timers/promises";
import { createBridge, isBridgeError, type Bridge, type BridgeOptions } from "nats-opa-bridge";
import { fileURLToPath } from "node:url";
import type { NatsServer } from "../support/nats-server.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import type { ChaosBucket } from "./bucket.ts";
import { MovableClock } from "./movable-clock.ts";
import type { BridgePlan } from "./plan.ts";
import { BUDGET_MS, STRICT_MS, STRICT_SLACK_MS } from "./promises.ts";
import { Random } from "./random.ts";
import { withoutRepair } from "./unrepaired.ts";
import { BRIDGE_USER } from "./users.ts";
import type { World } from "./world.ts";

const BUNDLE = fileURLToPath(
  new URL("../../../../test/policies/chaos/bundle.tar.gz", import.meta.url),
);
const MOST_WAITING = 20;

interface Answer {
  readonly watched: boolean;
  readonly asked: { readonly n: number } | null;
  readonly resident: { readonly n: number } | null;
}

type Facts = NonNullable<NonNullable<Parameters<Bridge["decideText"]>[2]>["facts"]> & {
  readonly stale: ReadonlyMap<string, number>;
};

/** What an answer can tell of itself; of a decision that is still to be made. */
const noFacts: Facts = {
  evaluationMs: 0,
  waitMs: 0,
  suspensions: 0,
  revisions: new Map(),
  stale: new Map(),
};

/** What was asked of a bridge, and how that went. */
export interface Tally {
  decisions: number;
  /** Decisions that failed: nobody was told anything, so nothing untrue either. */
  refused: number;
  stale: number;
  /** Answers that contradicted themselves. */
  torn: number;
}

/** A bridge that is put to the test, behind proxies of its own, and asked for decisions all the time. */
export class Subject {
  readonly name: string;
  readonly proxies: readonly TcpProxy[];
  readonly bridge: Bridge;
  readonly clock: MovableClock;
  readonly tally: Tally = { decisions: 0, refused: 0, stale: 0, torn: 0 };
  readonly #plan: BridgePlan;
  readonly #asking = new Set<Promise<void>>();
  #undecided = 0;
  #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(plan: BridgePlan, proxies: readonly TcpProxy[], bridge: Bridge, clock: MovableClock) {
    this.name = plan.name;
    this.#plan = plan;
    this.proxies = proxies;
    this.bridge = bridge;
    this.clock = clock;
  }

  /** Asks without end, about any key of any bucket. */
  startAsking(world: World, seed: number): void {
    const random = new Random(seed);
    const { signal } = this.#stop;
    this.#loop = (async () => {
      while (!signal.aborted) {
        await delay(random.int(1, 8));
        if (this.#undecided >= MOST_WAITING) continue;
        const bucket = random.pick(world.buckets);
        const asking = this.#ask(world, bucket, random.pick(bucket.keys)).finally(() =>
          this.#asking.delete(asking),
        );
        this.#asking.add(asking);
      }
    })();
  }

  async stopAsking(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.all(this.#asking);
  }

  /** The bucket's document as policies see it, as JSON text; undefined when the decision fails. */
  async document(bucket: string): Promise<string | undefined> {
    return this.#decide("chaos/document", { bucket, root: bucket === this.#plan.root });
  }

  async close(): Promise<void> {
    await this.stopAsking();
    await this.bridge.close();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }

  async #ask(world: World, bucket: ChaosBucket, key: string): Promise<void> {
    const root = bucket.name === this.#plan.root;
    const asked = performance.now();
    const facts = { ...noFacts };
    this.#undecided++;
    const text = await this.#decide("chaos/answer", { bucket: bucket.name, key, root }, facts);
    this.#undecided--;
    const answered = performance.now();
    this.tally.decisions++;
    if (text === undefined) {
      this.tally.refused++;
      return;
    }
    const answer = JSON.parse(text) as Answer;
    const values = new Set([answer.asked?.n ?? null]);
    if (answer.watched) values.add(answer.resident?.n ?? null);
    if (values.size > 1) {
      this.tally.torn++;
      world.report(`${this.name} ${bucket.name} ${key}: torn ${text}`);
    }
    if (bucket.expires && this.clock.isWrongAt(asked)) return;
    const excused = world.blindness.excuse(this.name, bucket.name, asked, BUDGET_MS);
    const strict = asked - STRICT_MS - STRICT_SLACK_MS;
    const since = this.#mayBeOld(bucket.name, facts) ? excused : Math.max(excused, strict);
    const { onStale } = this.#plan;
    await world.restoring.waitForUnlock();
    for (const value of values) {
      // Out of sight: to this policy there is no such bucket.
      const hides = bucket.name === this.#plan.strict && onStale === "hide" && !answer.watched;
      if (hides && value === null) continue;
      if (world.oracle.allows(bucket.name, key, value, { since, asked, answered })) continue;
      this.tally.stale++;
      world.report(
        `${this.name} ${bucket.name} ${key}: stale ${value} (watched ${answer.watched}), asked ${Math.round(answered - asked)} ms ago, excused for ${Math.round(asked - since)} ms; true: ${world.oracle.describe(bucket.name, key, answered)}`,
      );
    }
  }

  /** Whether an answer may be as old as a fault makes it: unless the bucket has a budget that forbids it. */
  #mayBeOld(bucket: string, { stale }: Facts): boolean {
    const { strict, onStale } = this.#plan;
    if (bucket !== strict || onStale === "serve") return true;
    return onStale === "flag" && stale.has(bucket);
  }

  async #decide(path: string, input: object, facts?: Facts): Promise<string | undefined> {
    try {
      return await this.bridge.decideText(path, JSON.stringify(input), { facts });
    } catch (error) {
      if (isBridgeError(error)) return undefined;
      throw error;
    }
  }
}

/** Starts a bridge with a proxy in front of each server; `unrepaired`: one that can't repair gaps. */
export async function startSubject(
  plan: BridgePlan,
  servers: readonly NatsServer[],
  unrepaired: boolean,
): Promise<Subject> {
  const proxies = await Promise.all(servers.map((server) => startTcpProxy(server.port)));
  const options: BridgeOptions = {
    nats: {
      server_url: proxies.map((proxy) => proxy.url),
      name: plan.name,
      ...BRIDGE_USER,
      connect_timeout: "1s",
      reconnect_wait: "50ms",
      // As a share of an outage, waits between attempts are as long here as the usual ones are in life.
      reconnect_max_wait: "500ms",
      refresh_interval: "500ms",
      missing_bucket_ttl: "200ms",
      query_timeout: "3s",
      root_bucket: plan.root,
      staleness:
        plan.strict === ""
          ? []
          : [
              {
                buckets: [plan.strict],
                max_staleness: `${STRICT_MS}ms`,
                on_stale: plan.onStale,
              },
            ],
    },
    bundle: { file: BUNDLE },
    // What is kept for the feed's subscribers is soon as much as it may be, and grows no more.
    feed: { max_commits: 100 },
  };
  const clock = new MovableClock();
  const wrap = unrepaired ? { wrapSource: withoutRepair } : {};
  try {
    const bridge = await createBridge(options, { clock, ...wrap });
    return new Subject(plan, proxies, bridge, clock);
  } catch (error) {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    throw error;
  }
}
