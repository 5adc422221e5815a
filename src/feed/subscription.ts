import { deferred, type Deferred } from "../common/async.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { BucketWalk } from "./bucket-walk.ts";
import { readCommit } from "./commit-frames.ts";
import type { CommitLog } from "./commit-log.ts";
import { formatCursor } from "./cursor.ts";
import type { ChangeFilter } from "./filter.ts";
import { type FeedEndReason, type FeedFrame, frame, type SnapshotReason } from "./frames.ts";
import type { Turns } from "./turns.ts";

/** What a subscription needs of its feed. */
export interface FeedPort {
  readonly epoch: string;
  readonly store: PolicyStore;
  readonly log: CommitLog;
  readonly turns: Turns;
  readonly now: () => number;
  /** Told when the subscription is over; perhaps more than once. */
  readonly onClosed: (subscription: FeedSubscription) => void;
  /** Told when it was the feed that ended it. */
  readonly onEnded: (reason: FeedEndReason) => void;
}

export interface Start {
  readonly version: number;
  /** Start with a snapshot. */
  readonly snapshot?: SnapshotReason;
  /** Give a snapshot, rather than ending, when the log no longer has what comes next. */
  readonly resync: boolean;
}

/** What one batch may have, roughly. */
const BATCH_CHARS = 64 * 1024;
const BATCH_SCANS = 2_048;
/** What one commit may have without being told in several frames. */
const FRAME_CHARS = 256 * 1024;
const FRAME_CHANGES = 10_000;

/**
 * One reader of the feed. It has a place in the commit log and nothing else: nobody pushes into it, so what it is told
 * can't come twice or out of order, and a reader that doesn't read costs nothing. Read it by
 * {@link FeedSubscription.next}, or with `for await`. One reader at a time.
 */
export class FeedSubscription implements AsyncIterable<FeedFrame>, Disposable {
  readonly #port: FeedPort;
  readonly #filter: ChangeFilter;
  readonly #resync: boolean;
  readonly #walk: BucketWalk;
  readonly #ended = new AbortController();
  /** Told up to this version, or as far as the filter let through. */
  #version: number;
  /** The change of the next version to go on with. */
  #offset = 0;
  /** What is told is no version's state before this version has been reached; undefined: it is one's. */
  #exactAt: number | undefined;
  /** The last version whose state was told, where that is not where it is now. */
  #exact: number | undefined;
  /** Frames that come before everything else. */
  #pending: FeedFrame[] = [];
  #end: FeedEndReason | undefined;
  #closed = false;
  #waiting: Deferred<void> | undefined;
  #toldAt: number;
  #progressDue = false;
  #scanned = 0;
  #isAsking = false;

  /** @hidden Use `ChangeFeed.subscribe`. */
  constructor(port: FeedPort, filter: ChangeFilter, { version, snapshot, resync }: Start) {
    this.#port = port;
    this.#filter = filter;
    this.#resync = resync;
    this.#version = version;
    this.#walk = new BucketWalk(port.store, filter);
    this.#toldAt = port.now();
    const floor = JSON.stringify(formatCursor(port.epoch, port.log.floor));
    const cursor = snapshot === undefined ? this.#newCursor() : undefined;
    this.#pending.push(frame("hello", { version: String(version), floor }, cursor));
    if (snapshot !== undefined) this.#startSnapshot(snapshot);
  }

  /** Where another subscription can go on; undefined until what was told was one version's state. */
  get cursor(): string | undefined {
    const version = this.#isExact() ? this.#version : this.#exact;
    return version === undefined ? undefined : formatCursor(this.#port.epoch, version);
  }

  /** How many commits there are since the last version that it was told wholly; all, while it was told none. */
  get lag(): number {
    const version = this.#isExact() ? this.#version : (this.#exact ?? 0);
    return this.#port.log.head - version;
  }

  /** How many changes and keys have been looked at: what shows that a subscription goes on. */
  get scanned(): number {
    return this.#scanned;
  }

  /** Whether {@link next} has yet to answer: then it is the feed that is slow, or has nothing to tell. */
  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** When something was told last. */
  get toldAt(): number {
    return this.#toldAt;
  }

  /** Aborts when the feed ends the subscription. What {@link next} answers then has the `end` frame. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Waits until there is something to tell and answers with some of it: about 64 KiB, or one frame that is larger.
   * Undefined once the subscription is over.
   */
  async next(): Promise<readonly FeedFrame[] | undefined> {
    while (!this.#closed) {
      this.#isAsking = true;
      const frames = await this.#port.turns.take(() => this.#read());
      this.#isAsking = false;
      if (frames.length > 0) {
        this.#toldAt = this.#port.now();
        return frames;
      }
      if (this.#isIdle()) {
        this.#waiting = deferred();
        await this.#waiting.promise;
      }
    }
    return undefined;
  }

  /** Frame by frame, until the subscription is over; leaving the loop closes it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FeedFrame, undefined> {
    try {
      for (let frames = await this.next(); frames !== undefined; frames = await this.next()) {
        yield* frames;
      }
    } finally {
      this.close();
    }
  }

  /** Ends it without a word. Safe to call any number of times. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.wake();
    this.#port.onClosed(this);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @hidden For the feed: there may be something to tell, and what it was about to tell may be gone. */
  wake(): void {
    this.#walk.letGo();
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** @hidden For the feed: say how far it is, even though nothing was let through. */
  tellProgress(): void {
    this.#progressDue = true;
    this.wake();
  }

  /** @hidden For the feed: ends it with a last frame. */
  endWith(reason: FeedEndReason): void {
    if (this.#end !== undefined || this.#closed) return;
    this.#end = reason;
    this.#port.onEnded(reason);
    this.#port.onClosed(this);
    this.#ended.abort();
    this.wake();
  }

  /** Whether what has been told up to now is one version's state. */
  #isExact(): boolean {
    return this.#exactAt === undefined && this.#offset === 0;
  }

  #newCursor(): string | undefined {
    return this.#isExact() ? this.cursor : undefined;
  }

  #isIdle(): boolean {
    if (this.#closed || this.#end !== undefined || this.#progressDue) return false;
    return this.#walk.done && this.#exactAt === undefined && this.#version >= this.#port.log.head;
  }

  /** The next batch: runs to its end without a wait, so the store can't change meanwhile. */
  #read(): FeedFrame[] {
    if (this.#closed) return [];
    const frames = this.#pending;
    this.#pending = [];
    let chars = 0;
    let scans = 0;
    while (this.#end === undefined && chars < BATCH_CHARS && scans < BATCH_SCANS) {
      const { scanned, told } = this.#step();
      if (scanned === 0 && told === undefined) break;
      scans += scanned;
      this.#scanned += scanned;
      if (told === undefined) continue;
      frames.push(told);
      chars += told.text.length;
    }
    if (this.#end !== undefined) frames.push(this.#lastFrame(this.#end));
    else if (this.#progressDue && frames.length === 0 && this.#walk.done) {
      frames.push(frame("progress", { version: String(this.#version) }, this.#newCursor()));
    }
    if (frames.length > 0) this.#progressDue = false;
    return frames;
  }

  /** Goes on by one frame, or by what the filter doesn't let through; `scanned` is 0 when there is nothing. */
  #step(): { scanned: number; told: FeedFrame | undefined } {
    const { log } = this.#port;
    if (this.#version < log.floor) {
      if (this.#resync) this.#startSnapshot("overtaken");
      else this.endWith("overtaken");
      return { scanned: 0, told: this.#pending.shift() };
    }
    if (!this.#walk.done) {
      const { frame: told, keys } = this.#walk.step(BATCH_SCANS, BATCH_CHARS);
      // What changed while it was walked is in the log up to here.
      if (this.#walk.done) this.#exactAt = log.head;
      return { scanned: keys + 1, told };
    }
    if (this.#exactAt !== undefined && this.#version >= this.#exactAt && this.#offset === 0) {
      this.#exactAt = undefined;
      const version = String(this.#version);
      return { scanned: 1, told: frame("complete", { version }, this.#newCursor()) };
    }
    return this.#readLog();
  }

  #readLog(): { scanned: number; told: FeedFrame | undefined } {
    const commit = this.#port.log.get(this.#version + 1);
    if (commit === undefined) return { scanned: 0, told: undefined };
    const part = readCommit(commit, this.#offset, this.#filter, FRAME_CHANGES, FRAME_CHARS);
    const continued = this.#offset > 0;
    if (this.#isExact()) this.#exact = this.#version;
    for (const bucket of part.mounted) {
      this.#walk.add(bucket);
      this.#exactAt = Infinity;
    }
    this.#offset = part.next ?? 0;
    if (part.next === undefined) this.#version = commit.version;
    const scanned = part.scanned + 1;
    // The end of a commit that came in parts is told even where nothing more was let through.
    if (part.text === "" && !(continued && part.next === undefined))
      return { scanned, told: undefined };
    const fields = {
      version: String(commit.version),
      changes: `[${part.text}]`,
      more: part.next === undefined ? undefined : "true",
    };
    return { scanned, told: frame("change", fields, this.#newCursor()) };
  }

  #startSnapshot(reason: SnapshotReason): void {
    const { log, store } = this.#port;
    this.#exact = undefined;
    this.#version = log.head;
    this.#offset = 0;
    this.#exactAt = log.head;
    this.#walk.clear();
    for (const bucket of store.buckets())
      if (this.#filter.hasBucket(bucket)) this.#walk.add(bucket);
    const fields = { version: String(log.head), reason: JSON.stringify(reason) };
    this.#pending.push(frame("snapshot", fields));
  }

  #lastFrame(reason: FeedEndReason): FeedFrame {
    const { epoch, log } = this.#port;
    const cursor = this.cursor;
    this.close();
    const fields = {
      reason: JSON.stringify(reason),
      message: JSON.stringify(MESSAGES[reason]),
      floor: JSON.stringify(formatCursor(epoch, log.floor)),
    };
    return frame("end", fields, cursor);
  }
}

const MESSAGES: Readonly<Record<FeedEndReason, string>> = {
  slow: "The subscriber was far behind and did not go on; read faster, filter more, or start anew with snapshot=true.",
  overtaken:
    "What comes next is no longer kept; start anew with snapshot=true, read faster, or keep more (feed.max_commits, feed.max_bytes).",
  stopping: "The bridge is stopping; go on elsewhere, or here when it is back.",
};
