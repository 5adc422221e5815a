import * as fc from "fast-check";
import { deepEqual } from "node:assert/strict";
import { ChangeFeed, type SubscribeOptions } from "../../../src/feed/change-feed.ts";
import type { FeedFilter } from "../../../src/feed/filter.ts";
import type { FeedSubscription } from "../../../src/feed/subscription.ts";
import { isBridgeError } from "../../../src/errors.ts";
import { contentsOf, FeedClient, plain } from "./feed-client.ts";
import { Writer } from "./store-kit.ts";

const bucket = fc.constantFrom("a", "b", "c");
const key = fc.constantFrom("k", "k.x", "k.y", "l", "kx");
const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 4 });

interface Write {
  readonly do: "put" | "delete" | "mount" | "unmount";
  readonly bucket: string;
  readonly keys: string[];
}

interface Reader {
  readonly joinsAfter: number;
  readonly leavesAfter: number;
  readonly pause: number;
  readonly snapshot: boolean;
  readonly buckets: string[] | undefined;
  readonly prefixes: string[] | undefined;
}

export const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("put" as const), bucket, keys }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), bucket, keys }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("mount" as const), bucket, keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unmount" as const), bucket, keys }) },
);

export const reader: fc.Arbitrary<Reader> = fc.record({
  /** How many commits come before it. */
  joinsAfter: fc.nat(30),
  /** How many batches it reads before it goes; then it comes again with its cursor, if it has one. */
  leavesAfter: fc.nat(6),
  /** How many steps of others come between two of its batches. */
  pause: fc.nat(8),
  snapshot: fc.boolean(),
  buckets: fc.option(fc.uniqueArray(bucket, { minLength: 1, maxLength: 2 }), { nil: undefined }),
  prefixes: fc.option(fc.uniqueArray(key, { minLength: 1, maxLength: 2 }), { nil: undefined }),
});

type All = ReturnType<typeof contentsOf>;

/** One history: a writer, and readers that check all that they are told against what the store was. */
export class Play {
  readonly #scheduler: fc.Scheduler;
  readonly #writer = new Writer();
  readonly #feed: ChangeFeed;
  readonly #past = new Map<number, All>();
  readonly #live = new Set<FeedSubscription>();

  constructor(scheduler: fc.Scheduler, maxCommits: number) {
    const { store } = this.#writer;
    this.#scheduler = scheduler;
    this.#feed = new ChangeFeed(store, {
      maxCommits,
      schedule: (call) => void scheduler.schedule(Promise.resolve(), "turn").then(call),
    });
    this.#past.set(0, {});
    store.onCommit(({ version }) => this.#past.set(version, contentsOf(store)));
  }

  async run(writes: readonly Write[], readers: readonly Reader[]): Promise<void> {
    const reading: Promise<void>[] = [];
    for (const name of ["a", "b"]) await this.#writer.mount(name, ["k", "k.x", "l"]);
    for (const [index, { do: what, bucket: name, keys: names }] of writes.entries()) {
      for (const one of readers) if (one.joinsAfter === index) reading.push(this.#read(one));
      await this.#step("write");
      if (what === "unmount") await this.#writer.unmount(name);
      else if (what === "mount") await this.#writer.mount(name, names);
      else await this.#writer[what](name, ...names);
    }
    // Whoever reads on is told everything.
    for (let turn = 0; turn < 2_000 && !this.#isQuiet(); turn++) await this.#step("drain");
    deepEqual(
      [...this.#live].map(({ cursor }) => cursor),
      [...this.#live].map(() => this.#feed.status().cursor),
    );
    this.#feed.close();
    await Promise.all(reading);
  }

  #isQuiet(): boolean {
    const { cursor } = this.#feed.status();
    return [...this.#live].every((subscription) => subscription.cursor === cursor);
  }

  #step(label: string): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve(), label);
  }

  #at(cursor: string, filter: FeedFilter): All {
    return filtered(this.#past.get(Number(cursor.split(":")[1]))!, filter);
  }

  /** Reads for a while, goes, and comes again with its cursor. */
  async #read({ leavesAfter, pause, snapshot, ...filter }: Reader): Promise<void> {
    let { client, subscription } = this.#join(filter, snapshot, undefined);
    for (const batches of [leavesAfter, Infinity]) {
      this.#live.add(subscription);
      for (let batch = 0; batch < batches; batch++) {
        for (let step = 0; step <= pause; step++) await this.#step("read");
        const frames = await subscription.next();
        if (frames === undefined) break;
        for (const { text } of frames) {
          const { cursor, type } = client.take(text);
          if (type === "end" || cursor === undefined) continue;
          deepEqual(plain(client.contents), this.#at(cursor, filter));
        }
      }
      this.#live.delete(subscription);
      subscription.close();
      if (client.end?.reason === "stopping") return;
      if (client.end !== undefined) deepEqual([client.end.reason, snapshot], ["overtaken", false]);
      if (batches !== Infinity)
        ({ client, subscription } = this.#join(filter, snapshot, client.cursor));
    }
  }

  #join(
    filter: FeedFilter,
    snapshot: boolean,
    cursor: string | undefined,
  ): { client: FeedClient; subscription: FeedSubscription } {
    const client = new FeedClient();
    const subscribe = (options: SubscribeOptions): FeedSubscription => {
      const subscription = this.#feed.subscribe({ ...filter, ...options });
      // What came after its cursor may come again, so the client goes back to what it had there.
      const had = options.cursor ?? (options.snapshot === true ? undefined : subscription.cursor);
      if (had !== undefined) {
        client.fill(this.#at(had, filter));
        client.versions.push(Number(had.split(":")[1]));
      }
      return subscription;
    };
    try {
      return { client, subscription: subscribe({ cursor, snapshot }) };
    } catch (error) {
      // Refused, not clamped in silence: the client starts anew.
      if (!isBridgeError(error, "FEED_CURSOR_TOO_OLD")) throw error;
      deepEqual(snapshot, false);
      return { client, subscription: subscribe({ snapshot: true }) };
    }
  }
}

function filtered(all: All, { buckets, prefixes }: FeedFilter): All {
  const named = Object.entries(all).filter(([name]) => buckets?.includes(name) ?? true);
  return Object.fromEntries(
    named.map(([name, values]) => {
      const wanted = Object.entries(values).filter(([at]) => {
        return prefixes?.some((prefix) => `${at}.`.startsWith(`${prefix}.`)) ?? true;
      });
      return [name, Object.fromEntries(wanted)];
    }),
  );
}
