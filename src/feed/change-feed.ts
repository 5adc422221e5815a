import { randomBytes } from "node:crypto";
import { BridgeError } from "../errors.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { CommitLog, type LogLimits } from "./commit-log.ts";
import { type Cursor, formatCursor, parseCursor } from "./cursor.ts";
import { ChangeFilter, type FeedFilter } from "./filter.ts";
import type { FeedEndReason, SnapshotReason } from "./frames.ts";
import { type FeedPort, FeedSubscription, type Start } from "./subscription.ts";
import { Turns } from "./turns.ts";

/** Bounds of a {@link ChangeFeed}. */
export interface FeedLimits extends LogLimits {
  /** Subscriptions at the same time. */
  readonly maxSubscribers: number;
  /** How often a subscriber that nothing was let through to is told how far it is, in milliseconds. */
  readonly progressIntervalMs: number;
  /** A subscriber is far behind when it lacks more commits than this. */
  readonly farBehind: number;
  /** One that is far behind, and has gone on by fewer than 5 changes a second for this long, is ended. */
  readonly stallMs: number;
}

/** Of a {@link ChangeFeed}; each has a default. */
export interface ChangeFeedOptions extends Partial<FeedLimits> {
  /** Calls later, after what else is waiting. Default: `setImmediate`. */
  readonly schedule?: (call: () => void) => void;
}

export interface SubscribeOptions extends FeedFilter {
  /** Go on after this place; default: with what is new. */
  readonly cursor?: string | undefined;
  /**
   * Give all that is there: at the start when there is no cursor, and whenever what comes next is no longer kept.
   * Default false: then that is an error at the start, and the subscription's end later.
   */
  readonly snapshot?: boolean | undefined;
}

/** What a feed knows of itself. */
export interface FeedStatus {
  /** Where the feed is. */
  readonly cursor: string;
  /** The lowest cursor that it can be replayed from. */
  readonly floor: string;
  /** How many commits are kept. */
  readonly commits: number;
  /** What they take, roughly. */
  readonly bytes: number;
  /** Subscriptions that are open. */
  readonly subscribers: number;
  /** How many commits the slowest subscriber is behind. */
  readonly maxLag: number;
  /** How many subscriptions the feed has ended. */
  readonly ended: Readonly<Record<FeedEndReason, number>>;
}

export const FEED_DEFAULTS: FeedLimits = {
  maxCommits: 100_000,
  maxBytes: 64 * 1024 ** 2,
  maxSubscribers: 1_000,
  progressIntervalMs: 5_000,
  farBehind: 10_000,
  stallMs: 60_000,
};

/** Slower than this is no progress, in changes looked at in a second. */
const LEAST_RATE = 5;
const CHECK_MS = 1_000;

/** How far a subscriber was when it was last seen going on. */
interface Pace {
  at: number;
  scanned: number;
}

/**
 * Tells subscribers what changes in a store, each at its own pace: every commit goes into a bounded log, which
 * subscribers read by cursor. Nothing is kept per subscriber, and a commit never waits for one. Until the first
 * subscription it keeps no log.
 */
export class ChangeFeed implements Disposable {
  readonly #store: PolicyStore;
  readonly #limits: FeedLimits;
  readonly #port: Omit<FeedPort, "log">;
  readonly #schedule: (call: () => void) => void;
  readonly #subscriptions = new Map<FeedSubscription, Pace>();
  readonly #ended: Record<FeedEndReason, number> = { slow: 0, overtaken: 0, stopping: 0 };
  #log: CommitLog | undefined;
  #detach: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #wakeScheduled = false;
  #closed = false;

  constructor(store: PolicyStore, options: ChangeFeedOptions = {}) {
    const { schedule = (call) => void setImmediate(call), ...limits } = options;
    this.#store = store;
    this.#limits = { ...FEED_DEFAULTS, ...limits };
    this.#schedule = schedule;
    this.#port = {
      epoch: randomBytes(6).toString("base64url"),
      store,
      turns: new Turns(schedule),
      now: () => performance.now(),
      onClosed: (subscription) => this.#forget(subscription),
      onEnded: (reason) => void this.#ended[reason]++,
    };
  }

  /**
   * Starts a subscription. Throws `FEED_FILTER`, `FEED_CURSOR_INVALID`, `FEED_CURSOR_TOO_OLD`, `FEED_CURSOR_EPOCH`,
   * `FEED_FULL`, or `BRIDGE_STOPPING`.
   */
  subscribe(options: SubscribeOptions = {}): FeedSubscription {
    if (this.#closed) {
      throw new BridgeError("BRIDGE_STOPPING", "The change feed has been closed.");
    }
    const filter = new ChangeFilter(options);
    const cursor = options.cursor === undefined ? undefined : parseCursor(options.cursor);
    const { maxSubscribers } = this.#limits;
    if (this.#subscriptions.size >= maxSubscribers) {
      throw new BridgeError(
        "FEED_FULL",
        `The feed has ${maxSubscribers} subscribers, which is the most; try again later, or raise feed.max_subscribers.`,
      );
    }
    const log = this.#attach();
    const start = this.#start(cursor, options.snapshot ?? false, log);
    const subscription = new FeedSubscription({ ...this.#port, log }, filter, start);
    this.#subscriptions.set(subscription, { at: this.#port.now(), scanned: 0 });
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref();
    return subscription;
  }

  /** The lowest cursor that can be replayed from. */
  get floor(): string {
    return formatCursor(this.#port.epoch, this.#log?.floor ?? this.#store.version);
  }

  /** Where the feed is, and who reads it. Answers at once. */
  status(): FeedStatus {
    const { epoch } = this.#port;
    let maxLag = 0;
    for (const { lag } of this.#subscriptions.keys()) maxLag = Math.max(maxLag, lag);
    return {
      cursor: formatCursor(epoch, this.#log?.head ?? this.#store.version),
      floor: this.floor,
      commits: this.#log?.size ?? 0,
      bytes: this.#log?.bytes ?? 0,
      subscribers: this.#subscriptions.size,
      maxLag,
      ended: { ...this.#ended },
    };
  }

  /** Ends every subscription with a last frame, and forgets the log. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#detach();
    this.#log = undefined;
    for (const subscription of this.#subscriptions.keys()) subscription.endWith("stopping");
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #attach(): CommitLog {
    if (this.#log !== undefined) return this.#log;
    const log = new CommitLog(this.#limits, this.#store.version);
    this.#detach = this.#store.onCommit((commit) => {
      log.append(commit);
      this.#wakeSoon();
    });
    this.#log = log;
    return log;
  }

  #start(cursor: Cursor | undefined, resync: boolean, log: CommitLog): Start {
    if (cursor === undefined) {
      return { version: log.head, resync, ...(resync && { snapshot: "requested" }) };
    }
    const isOtherEpoch = cursor.epoch !== this.#port.epoch;
    if (!isOtherEpoch && cursor.version > log.head) {
      throw new BridgeError(
        "FEED_CURSOR_INVALID",
        `The feed is at ${log.head} and has never been at ${cursor.version}; send the last cursor that it gave.`,
      );
    }
    if (!isOtherEpoch && cursor.version >= log.floor) return { version: cursor.version, resync };
    const reason: SnapshotReason = isOtherEpoch ? "other_epoch" : "cursor_too_old";
    if (resync) return { version: log.head, snapshot: reason, resync };
    if (isOtherEpoch) {
      throw new BridgeError(
        "FEED_CURSOR_EPOCH",
        "The cursor is of another run of the bridge, whose versions mean something else; start anew with snapshot=true.",
      );
    }
    throw new BridgeError(
      "FEED_CURSOR_TOO_OLD",
      `What came after version ${cursor.version} is no longer kept, only what came after ${log.floor}; start anew with snapshot=true, or keep more (feed.max_commits, feed.max_bytes).`,
    );
  }

  #forget(subscription: FeedSubscription): void {
    this.#subscriptions.delete(subscription);
    if (this.#subscriptions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A burst of commits wakes everybody once, after it. */
  #wakeSoon(): void {
    if (this.#wakeScheduled || this.#subscriptions.size === 0) return;
    this.#wakeScheduled = true;
    this.#schedule(() => {
      this.#wakeScheduled = false;
      for (const subscription of this.#subscriptions.keys()) subscription.wake();
    });
  }

  #check(): void {
    const { farBehind, stallMs, progressIntervalMs } = this.#limits;
    const now = this.#port.now();
    for (const [subscription, pace] of this.#subscriptions) {
      const { scanned } = subscription;
      const isRead = scanned - pace.scanned >= (LEAST_RATE * stallMs) / 1_000;
      // One whose turn it is not yet is not to blame.
      if (isRead || subscription.isAsking || subscription.lag <= farBehind) {
        pace.at = now;
        pace.scanned = scanned;
      } else if (now - pace.at >= stallMs) subscription.endWith("slow");
      if (now - subscription.toldAt >= progressIntervalMs) subscription.tellProgress();
    }
  }
}
