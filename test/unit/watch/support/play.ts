import type { Scheduler } from "fast-check";
import { silentLogger } from "../../../../src/common/logger.ts";
import { isBridgeError, messageOf } from "../../../../src/errors.ts";
import { PolicyStore } from "../../../../src/store/policy-store.ts";
import type { OpenTransaction } from "../../../../src/store/transaction.ts";
import { BucketWatcherManager } from "../../../../src/watch/manager.ts";
import { settled } from "./make.ts";
import { ModelBuckets } from "./model-buckets.ts";
import { VirtualClock } from "./virtual-clock.ts";

const LOAD_TIMEOUT_MS = 6_000;
export const NAMES: readonly string[] = ["a", "b", "c", "d"];
export const KEYS: readonly string[] = ["k", "k.l", "m", "n.o.p"];

/** A store whose writers are let in when the scheduler says so. */
class ScheduledStore extends PolicyStore {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, rootBucket: string | undefined) {
    super({ rootBucket });
    this.#scheduler = scheduler;
  }

  override async begin(): Promise<OpenTransaction> {
    await this.#scheduler.schedule(Promise.resolve(), "store lets a writer in");
    return super.begin();
  }
}

/** What may happen. Each comes at a moment that the scheduler picks. */
export type Action =
  | { do: "create"; name: string; waits: boolean }
  | {
      do:
        | "renew"
        | "use"
        | "prove"
        | "evict"
        | "pin"
        | "unpin"
        | "gap"
        | "make"
        | "remove"
        | "forbid";
      name: string;
    }
  | { do: "allow"; name: string }
  | { do: "put"; name: string; key: string; value: number }
  | { do: "delete" | "vanish"; name: string; key: string }
  /** The key is deleted, another one put, and the key deleted again, before anybody is told of the first. */
  | { do: "again"; name: string; key: string; other: string }
  | { do: "wait"; ms: number }
  | { do: "stop" };

export interface Schedule {
  readonly s: Scheduler;
  readonly actions: readonly Action[];
  /** How many act at the same time. */
  readonly callers: number;
  /** How many messages a stream delivers in one piece. */
  readonly pieces: Iterator<number>;
  /** Whether bucket "a" is the root bucket. */
  readonly root: boolean;
  readonly maxBucketWatchers: number;
  readonly maxConcurrentLoads: number;
  readonly maxBucketKeys: number;
}

/** What came about in all runs together; a property that never saw an eviction says nothing about them. */
export const seen: Map<string, number> = new Map();

function count(what: string): void {
  seen.set(what, (seen.get(what) ?? 0) + 1);
}

/** One run: a manager, a server, and everything that was promised. */
export class Play {
  readonly #scheduler: Scheduler;
  readonly #pins = new Map<string, (() => void)[]>();
  readonly #unsettled = new Map<Promise<unknown>, string>();
  readonly server: ModelBuckets = new ModelBuckets();
  readonly clock: VirtualClock = new VirtualClock();
  readonly store: ScheduledStore;
  readonly manager: BucketWatcherManager;
  readonly wrong: string[] = [];
  #stopResolved = false;

  constructor({ s, pieces, root, maxBucketWatchers, maxConcurrentLoads, maxBucketKeys }: Schedule) {
    this.#scheduler = s;
    this.server.onBehind = (name, deliver) => {
      const count = Number(pieces.next().value);
      void s.schedule(Promise.resolve(), `stream of ${name}`).then(() => deliver(count));
    };
    this.server.onAsked = (name, answer) => {
      void s.schedule(Promise.resolve(), `question of ${name}`).then(answer);
    };
    for (const name of ["a", "b", "c"]) {
      this.server.make(name);
      this.server.write(name, "k", `"${name}"`);
    }
    this.store = new ScheduledStore(s, root ? "a" : undefined);
    this.store.onCommit(() => this.#checkCommit());
    this.manager = new BucketWatcherManager({
      store: this.store,
      source: this.server,
      clock: this.clock,
      maxBucketWatchers,
      maxConcurrentLoads,
      maxBucketKeys,
      maxBucketBytes: 1e9,
      maxTotalBytes: 1e9,
      loadTimeoutMs: LOAD_TIMEOUT_MS,
      ttlMs: 5_000,
      missingBucketTtlMs: 300,
      refreshIntervalMs: 0,
      logger: {
        ...silentLogger,
        error: (details) => count((details as { code: string }).code),
        info: (details) => this.#checkVictim(details as { bucket: string; reason: string }),
      },
    });
    if (root) void this.#promised(this.manager.startRoot(), "startRoot");
  }

  /** Several callers act at the same time, each one thing after the other. */
  plan(actions: readonly Action[], callers: number): void {
    const left = [...actions];
    const act = async (): Promise<void> => {
      for (let action = left.shift(); action !== undefined; action = left.shift()) {
        await this.#scheduler.schedule(Promise.resolve(), JSON.stringify(action));
        const done = this.#perform(action);
        this.#checkPlaces();
        if (action.do === "create" && action.waits) await done;
      }
    };
    for (let caller = 0; caller < callers; caller++) void act();
  }

  stop(): void {
    const stopped = this.manager.stop().then(() => {
      this.#stopResolved = true;
    });
    void this.#promised(stopped, "stop");
  }

  /** Lets everything happen that was planned, and everything that follows from it. */
  async drain(): Promise<void> {
    do {
      await this.#scheduler.waitIdle();
      await settled();
    } while (this.#scheduler.count() > 0);
  }

  /** Drains, and lets time pass and lies be found out until nothing changes any more. */
  async quiet(): Promise<void> {
    await this.drain();
    for (let round = 0; round < 30; round++) {
      // A caller that waited for a create goes on only now.
      for (const unpins of this.#pins.values()) for (const unpin of unpins) unpin();
      this.#pins.clear();
      this.server.allowAll();
      const waits = this.manager.status().buckets.some(({ state }) => state === "recovering");
      const lied = this.server.endLyingStreams();
      const proving = this.#proveWhole();
      if (round > 0 && !waits && !lied && !proving && this.#unsettled.size === 0) return;
      // Users are still there: what is watched does not become idle while it waits for its turn.
      for (const { bucket } of this.manager.status().buckets) this.manager.use(bucket);
      this.clock.advance(4_000);
      await this.drain();
    }
  }

  /** Somebody waits for what was left out; whether there is anything. */
  #proveWhole(): boolean {
    const partial = this.store.buckets().filter((name) => {
      const whole = this.manager.watcher(name)?.wholeRevision;
      return whole !== undefined && whole < this.store.bucket(name)!.revision;
    });
    for (const name of partial) this.manager.watcher(name)!.proveWhole();
    return partial.length > 0;
  }

  get hanging(): string[] {
    return [...this.#unsettled.values()];
  }

  /** Resolves when it has come to its end, whichever that is. */
  #perform(action: Action): Promise<void> | undefined {
    const { manager, server } = this;
    switch (action.do) {
      case "create":
        return this.#promised(manager.getOrCreateWatcher(action.name), `create ${action.name}`);
      case "use":
        manager.use(action.name);
        break;
      case "renew":
        void this.#promised(manager.evict(action.name), `evict ${action.name}`);
        return this.#promised(manager.getOrCreateWatcher(action.name), `renew ${action.name}`);
      case "evict":
        void this.#promised(manager.evict(action.name), `evict ${action.name}`);
        break;
      case "pin":
        this.#pinsOf(action.name).push(manager.pin(action.name));
        break;
      case "unpin":
        this.#pinsOf(action.name).pop()?.();
        break;
      case "put":
        server.write(action.name, action.key, String(action.value));
        break;
      case "delete":
        server.write(action.name, action.key, undefined);
        break;
      case "again":
        server.write(action.name, action.key, undefined);
        server.write(action.name, action.other, "1");
        server.write(action.name, action.key, undefined);
        break;
      case "prove":
        manager.watcher(action.name)?.proveWhole();
        break;
      case "wait":
        this.clock.advance(action.ms);
        break;
      case "vanish":
        server.vanish(action.name, action.key);
        break;
      case "stop":
        this.stop();
        break;
      case "gap":
      case "make":
      case "remove":
      case "forbid":
      case "allow":
        server[action.do](action.name);
        break;
    }
    return undefined;
  }

  #pinsOf(name: string): (() => void)[] {
    const pins = this.#pins.get(name) ?? [];
    this.#pins.set(name, pins);
    return pins;
  }

  async #promised(promise: Promise<unknown>, label: string): Promise<void> {
    this.#unsettled.set(promise, label);
    try {
      await promise;
    } catch (error) {
      const code = isBridgeError(error) ? error.code : undefined;
      count(code ?? "?");
      if (code === undefined) this.wrong.push(`${label}: ${messageOf(error)}`);
    } finally {
      this.#unsettled.delete(promise);
    }
  }

  /**
   * At every commit: nothing after stop, and each document is what its bucket was at its revision. Where the server
   * has left something out, the document is at least what its bucket was at the revision up to which it is whole.
   */
  #checkCommit(): void {
    if (this.#stopResolved) this.wrong.push("a commit after stop() had resolved");
    count("commit");
    for (const name of this.store.buckets()) {
      const run = this.server.running(name)[0];
      const status = this.manager.status().buckets.find(({ bucket }) => bucket === name);
      const whole = this.manager.watcher(name)?.wholeRevision;
      if (run === undefined || run.bucket.lossy || whole === undefined || status === undefined)
        continue;
      if (status.incarnation !== run.bucket.incarnation || run.bucket.incarnation === "none")
        continue;
      const document = this.store.bucket(name)!;
      const { revision } = document;
      // Nothing is claimed of a copy while it is of another bucket of this name.
      if (whole === 0 && status.state === "recovering") continue;
      if (whole < revision) {
        count("left out");
        if (!run.skipped && status.state === "live")
          this.wrong.push(`${name} at ${revision} is whole up to ${whole}`);
      }
      const now = new Map(mapOf(this.store, name));
      if (KEYS.every((key) => run.bucket.states(key, whole, revision).has(now.get(key)))) continue;
      const then = sorted(run.bucket.map(revision));
      this.wrong.push(
        `${name} at ${revision}, whole up to ${whole}: ${JSON.stringify([sorted(now), then])}`,
      );
    }
  }

  #checkVictim({ bucket, reason }: { bucket: string; reason: string }): void {
    count(reason);
    if (reason !== "manual" && this.#pinsOf(bucket).length > 0) {
      this.wrong.push(`${bucket} was pinned, and stopped: ${reason}`);
    }
  }

  #checkPlaces(): void {
    const { watchers, maxWatchers } = this.manager.status();
    if (watchers > maxWatchers) this.wrong.push(`${watchers} watchers have a place`);
  }

  /** What is wrong now that everything is quiet; nothing is expected. */
  problems(stopped: boolean): string[] {
    const { manager, server, store, clock } = this;
    const problems = [...this.wrong, ...this.hanging.map((label) => `${label} never settles`)];
    const must = (holds: boolean, what: string): void => void (holds || problems.push(what));
    must(server.doubled.length === 0, `two streams of ${server.doubled.join()} at a time`);
    const { bytes, buckets, remembered } = manager.status();
    const mounted = store.buckets();
    const watched = NAMES.filter((name) => manager.hasWatcher(name));
    must(
      watched.join() === mounted.toSorted().join(),
      `watched ${watched.join()}, mounted ${mounted.join()}`,
    );
    must(server.running().length === mounted.length, "a stream without a bucket, or the reverse");
    must(remembered.creating === 0, "a create that never ended");
    for (const name of mounted) {
      const here = JSON.stringify(mapOf(store, name));
      const there = JSON.stringify(sorted(server.bucket(name)?.map() ?? new Map()));
      must(here === there, `${name} is ${here}, should be ${there}`);
      must(manager.watcher(name)?.state === "live", `${name} is not live`);
      const { revision } = store.bucket(name)!;
      const whole = manager.watcher(name)?.wholeRevision;
      must(
        whole !== undefined && whole >= revision,
        `${name} at ${revision} is whole up to ${whole} for good`,
      );
      must(server.running(name).length === 1, `${name} has no stream`);
    }
    const total = mounted.reduce((sum, name) => sum + store.bucket(name)!.bytes, 0);
    must(bytes === total, `the budget counts ${bytes}, mounted is ${total}`);
    if (buckets.some(({ repaired }) => repaired > 0)) count("repair");
    if (stopped) {
      must(mounted.length === 0, `${mounted.join()} after stop`);
      must(clock.timers === 0, `${clock.timers} timers after stop`);
    }
    return problems;
  }
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function mapOf(store: PolicyStore, name: string): [string, string][] {
  const entries = [...store.bucket(name)!.entries()];
  return sorted(new Map(entries.map(([key, { text, revision }]) => [key, `${text}@${revision}`])));
}
