import { setImmediate as turn } from "node:timers/promises";
import type { ChangeFeed } from "../../../src/feed/change-feed.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";
import { Writer } from "./store-kit.ts";
import { History, Told, wantedOf } from "./told.ts";

const BUCKETS = ["a", "b"];
const KEYS = Array.from({ length: 20 }, (_, index) => `k${index}`);
const BURST = 20;

/** Commits as fast as the store takes them, and lets others have a turn only between bursts. */
export class FullSpeed {
  readonly writer: Writer = new Writer();
  readonly history: History = new History(this.writer.store);
  /** How long each burst took, in milliseconds. */
  readonly bursts: number[] = [];
  /** Bursts in which somebody else had a turn: the writer had to wait. */
  waited = 0;
  #count = 0;

  async start(): Promise<void> {
    for (const bucket of BUCKETS) await this.writer.mount(bucket, KEYS);
  }

  async burst(): Promise<void> {
    let others = false;
    const immediate = setImmediate(() => (others = true));
    const started = performance.now();
    for (let index = 0; index < BURST; index++) {
      const count = this.#count++;
      const bucket = BUCKETS[count % 2]!;
      const key = KEYS[(count * 7) % KEYS.length]!;
      await (count % 10 === 9 ? this.writer.delete(bucket, key) : this.writer.put(bucket, key));
    }
    this.bursts.push(performance.now() - started);
    if (others) this.waited++;
    clearImmediate(immediate);
    await turn();
  }
}

export interface Manner {
  readonly snapshot: boolean;
  /** Only this bucket; default: all. */
  readonly bucket?: string | undefined;
  /** Turns of others between two batches; `never`: it doesn't read before it was ended. */
  readonly pause: number | "never";
  /** Leaves after so many batches, and comes again at once with its cursor. */
  readonly leavesAfter: number;
}

/** A subscriber that comes, reads and goes in its manner, and checks what it is told. */
export class Follower {
  readonly told: Told;
  readonly #source: FullSpeed;
  readonly #feed: ChangeFeed;
  readonly #manner: Manner;
  #subscription: FeedSubscription;

  constructor(source: FullSpeed, feed: ChangeFeed, manner: Manner) {
    this.#source = source;
    this.#feed = feed;
    this.#manner = manner;
    this.told = new Told(source.history, manner.bucket);
    this.#subscription = this.#join(undefined);
    // Joined in the same breath, so what is there now is what it starts from.
    if (!manner.snapshot) this.told.client.fill(this.wanted());
  }

  get lag(): number {
    return this.#subscription.lag;
  }

  /** The store's contents, as far as its filter lets through. */
  wanted(): Record<string, Record<string, string>> {
    return wantedOf(this.#source.writer.store, this.#manner.bucket);
  }

  /** Reads, goes and comes until the feed is closed. */
  async run(): Promise<void> {
    const { pause, leavesAfter } = this.#manner;
    if (pause === "never") {
      const { ended } = this.#subscription;
      await new Promise((resolve) => ended.addEventListener("abort", resolve));
    }
    for (let batches = 0; ;) {
      const frames = await this.#subscription.next();
      if (frames === undefined) {
        if (this.told.ends.at(-1) === "stopping") return;
        this.#rejoin();
        continue;
      }
      for (const { text } of frames) this.told.take(text);
      if (pause === "never" || this.told.client.end !== undefined) continue;
      for (let count = 0; count < pause; count++) await turn();
      // A hello alone is no reason to go.
      if (!frames.some(({ type }) => type === "change") || ++batches % leavesAfter > 0) continue;
      if (!this.#subscription.ended.aborted) this.#rejoin();
    }
  }

  #join(cursor: string | undefined): FeedSubscription {
    const { snapshot, bucket } = this.#manner;
    const buckets = bucket === undefined ? undefined : [bucket];
    return this.#feed.subscribe({ cursor, snapshot, buckets });
  }

  #rejoin(): void {
    this.#subscription.close();
    this.#subscription = this.#join(this.told.comeAgain());
  }
}
