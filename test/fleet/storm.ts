import { Random } from "../chaos/random.ts";
import type { Costs } from "./cost-table.ts";
import type { FleetLayout } from "./fleet-of.ts";
import { Agenda, Station } from "./station.ts";

// As the bridge has them: src/nats/bucket-stream.ts, ask-again.ts, follow-consumer.ts, src/watch/retry.ts, probe.ts.
const STAGGER_S = 0.2;
const SILENCE_S = 3;
const TICK_S = 0.25;
const ASK_AGAIN_S = 1;
const TIMEOUT_S = 5;
/** How long each request for a consumer is waited for. */
const PATIENCE_S = [1, 2, TIMEOUT_S];
const PROBE_S = 1;
/** For so long after its last word the leader takes a node that is lost for one that is there. */
const LIVE_WINDOW_S = 3;
const CHUNK_KEYS = 500;
/** Information, the consumer, and twice the last sequence. */
const ROUND_TRIPS = 4;

export interface StormOptions {
  readonly lost: number;
  readonly seed: number;
  /** When each bucket whose leader was lost has another, in seconds after the loss. */
  readonly elections: readonly number[];
  /** The same of JetStream's own leader. */
  readonly metaElection: number;
  readonly maxConcurrentLoads: number;
  /** Of each server. */
  readonly serverCores: number;
  /** Of each server's link to the bridges, bytes in each second. */
  readonly linkBytes: number;
  /** To a server and back, in seconds. */
  readonly roundTrip: number;
  /** All bridges and servers have these cores, instead of their own. */
  readonly sharedCores?: number;
  /** False: nobody waits by chance. */
  readonly jitter?: boolean;
}

export interface StormResult {
  /** Pairs of a bridge and a bucket that were loaded again. */
  readonly reloads: number;
  /** Streams opened; more than reloads where attempts failed. */
  readonly opened: number;
  readonly requests: number;
  /** What bridges receive in order to be current again, in bytes. */
  readonly bytes: number;
  /** For the reloads alone, in seconds. */
  readonly serverCpu: number;
  readonly bridgeCpu: number;
  /** When each of the reloaded pairs was current again, in seconds after the loss, in order. */
  readonly times: readonly number[];
}

/** The loss of a node, as the bridges and the servers that are left live through it. */
export function simulateLoss(
  costs: Costs,
  layout: FleetLayout,
  options: StormOptions,
): StormResult {
  return new Storm(costs, layout, options).run();
}

class Storm {
  readonly #costs: Costs;
  readonly #layout: FleetLayout;
  readonly #options: StormOptions;
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #servers: readonly Station[];
  readonly #links: readonly Station[];
  readonly #meta = new Station(1);
  readonly #bridges: readonly Station[];
  readonly #rooms: readonly Room[];
  readonly #left: readonly number[];
  /** Until when consumers may be put on the node that is lost. */
  readonly #trusted: number;
  #opened = 0;
  #requests = 0;
  #bytes = 0;
  #serverCpu = 0;
  #bridgeCpu = 0;
  readonly #times: number[] = [];

  constructor(costs: Costs, layout: FleetLayout, options: StormOptions) {
    const { sharedCores, serverCores, maxConcurrentLoads, lost } = options;
    this.#costs = costs;
    this.#layout = layout;
    this.#options = options;
    this.#random = new Random(options.seed);
    const shared = sharedCores === undefined ? undefined : new Station(sharedCores);
    const nodes = Array.from({ length: layout.nodes }, (_, node) => node);
    this.#servers = nodes.map(() => shared ?? new Station(serverCores));
    this.#links = nodes.map(() => new Station(1));
    this.#bridges = layout.bridges.map(() => shared ?? new Station(1));
    this.#rooms = layout.bridges.map(() => new Room(maxConcurrentLoads));
    this.#left = nodes.filter((node) => node !== lost);
    this.#trusted = LIVE_WINDOW_S - this.#chance();
  }

  run(): StormResult {
    for (const [bridge, { node, consumers }] of this.#layout.bridges.entries()) {
      const reconnects = node === this.#options.lost;
      const home = reconnects ? this.#random.pick(this.#left) : node;
      if (reconnects) this.#serve(home, 0, this.#costs.connection);
      for (const [bucket, consumer] of consumers.entries()) {
        if (reconnects) this.#reload(bridge, home, bucket, STAGGER_S * this.#chance());
        else if (consumer === this.#options.lost)
          this.#reload(bridge, home, bucket, this.#noticed(bucket));
      }
    }
    this.#agenda.run();
    return {
      reloads: this.#times.length,
      opened: this.#opened,
      requests: this.#requests,
      bytes: this.#bytes,
      serverCpu: this.#serverCpu,
      bridgeCpu: this.#bridgeCpu,
      times: this.#times.toSorted((one, other) => one - other),
    };
  }

  /** Silence is counted from the last word, which was an update or a heartbeat. */
  #noticed(bucket: number): number {
    const { updates } = this.#layout.buckets[bucket]!;
    const update = updates > 0 ? -Math.log(1 - this.#chance()) / updates : Infinity;
    return SILENCE_S + TICK_S * this.#chance() - Math.min(update, this.#chance());
  }

  #reload(bridge: number, home: number, bucket: number, at: number): void {
    this.#agenda.at(at, () =>
      this.#rooms[bridge]!.enter((leave) => this.#open(bridge, home, bucket, leave)),
    );
  }

  #open(bridge: number, home: number, bucket: number, leave: () => void): void {
    const { now } = this.#agenda;
    this.#opened++;
    const answered = this.#asked(now, this.#leaderAt(bucket));
    if (answered === undefined) {
      leave();
      this.#askUntilAnswered(bridge, home, bucket, now + TIMEOUT_S);
      return;
    }
    this.#agenda.at(answered, () => this.#create(bridge, home, bucket, leave));
  }

  #create(bridge: number, home: number, bucket: number, leave: () => void, attempt = 0): void {
    const { now } = this.#agenda;
    const { lost, metaElection, roundTrip } = this.#options;
    const leaderless = this.#layout.meta === lost && now < metaElection;
    const nodes = now < this.#trusted ? this.#layout.nodes : this.#left.length;
    const choice = this.#random.int(0, nodes - 1);
    const node = nodes === this.#layout.nodes ? choice : this.#left[choice]!;
    const made = leaderless ? Infinity : this.#meta.serve(now, this.#costs.createWall) + roundTrip;
    const until = now + PATIENCE_S[attempt]!;
    // Nobody answers for a consumer on a node that is lost.
    if (leaderless || node === lost || made > until) {
      this.#requests++;
      this.#agenda.at(until, () => {
        if (attempt + 1 < PATIENCE_S.length) {
          this.#create(bridge, home, bucket, leave, attempt + 1);
          return;
        }
        leave();
        this.#askUntilAnswered(bridge, home, bucket, until);
      });
      return;
    }
    this.#agenda.at(made, () => {
      // The first question has been counted.
      this.#requests += this.#costs.requestsPerOpen - 1;
      this.#bytes += this.#costs.wire.open;
      const ready = this.#serve(node, this.#agenda.now, this.#costs.wounded.open);
      this.#deliver(bridge, node, bucket, ready, this.#layout.buckets[bucket]!.keys, leave);
    });
  }

  #deliver(
    bridge: number,
    node: number,
    bucket: number,
    at: number,
    keys: number,
    leave: () => void,
  ): void {
    this.#agenda.at(at, () => {
      const { now } = this.#agenda;
      const { wire, wounded, bridge: costs } = this.#costs;
      const count = Math.min(CHUNK_KEYS, keys);
      const bytes = count * wire.key;
      this.#bytes += bytes;
      const served = this.#serve(node, now, count * wounded.key);
      const sent = this.#links[node]!.serve(served, bytes / this.#options.linkBytes);
      const work = count * costs.key + (keys <= count ? costs.open : 0);
      this.#bridgeCpu += work;
      this.#agenda.at(sent, () => {
        const taken = this.#bridges[bridge]!.serve(this.#agenda.now, work);
        if (keys > count) {
          this.#deliver(bridge, node, bucket, this.#agenda.now, keys - count, leave);
          return;
        }
        const loaded = taken + (ROUND_TRIPS / 2) * this.#options.roundTrip;
        this.#agenda.at(loaded, () => {
          this.#times.push(this.#agenda.now);
          leave();
        });
      });
    });
  }

  /** When the answer comes; undefined when none does in time. Asked anew every second. */
  #asked(from: number, leaderAt: number): number | undefined {
    for (let at = from; at < from + TIMEOUT_S; at += ASK_AGAIN_S) {
      this.#requests += at >= leaderAt ? 1 : 0;
      if (at >= leaderAt) return at + this.#options.roundTrip;
    }
    return undefined;
  }

  /** A small question now and then, until somebody answers it; then it is opened again. */
  #askUntilAnswered(bridge: number, home: number, bucket: number, from: number): void {
    const at = from + PROBE_S * (0.5 + this.#chance() / 2);
    const answered = this.#asked(at, this.#leaderAt(bucket));
    if (answered === undefined) this.#askUntilAnswered(bridge, home, bucket, at + TIMEOUT_S);
    else this.#reload(bridge, home, bucket, answered);
  }

  #leaderAt(bucket: number): number {
    const lost = this.#layout.buckets[bucket]!.leader === this.#options.lost;
    return lost ? this.#options.elections[bucket]! : 0;
  }

  #serve(node: number, now: number, seconds: number): number {
    this.#serverCpu += seconds;
    return this.#servers[node]!.serve(now, seconds);
  }

  #chance(): number {
    return (this.#options.jitter ?? true) ? this.#random.next() : 0.5;
  }
}

/** `max_concurrent_loads`: so many loads of a bridge go on at once, the others wait. */
class Room {
  #free: number;
  readonly #waiting: ((leave: () => void) => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  enter(load: (leave: () => void) => void): void {
    if (this.#free === 0) this.#waiting.push(load);
    else {
      this.#free--;
      load(() => this.#leave());
    }
  }

  #leave(): void {
    this.#free++;
    const next = this.#waiting.shift();
    if (next !== undefined) this.enter(next);
  }
}
