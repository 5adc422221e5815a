import { deferred, type Deferred } from "../common/async.ts";
import type { Logger } from "../common/logger.ts";
import type { ReplayBufferLimits } from "../common/replay-buffer.ts";
import { BridgeError } from "../errors.ts";
import type { BucketWriter } from "../nats/bucket-writer.ts";
import type { Base, Change } from "./change.ts";
import { type ReplayCounts, WriteLane } from "./write-lane.ts";

/** What is known of the writes that had to wait; nothing of their content. */
export interface WriteBufferFigures {
  /** Writes that wait for NATS now. */
  readonly waiting: number;
  /** What they take, roughly. */
  readonly bytes: number;
  /** Written after they had waited. */
  readonly replayed: number;
  /** Not written, because the key had a newer value by then. */
  readonly conflicts: number;
  /** Not written, because NATS refused them for another reason. */
  readonly refused: number;
  /** Not written, because too many or too large ones waited. */
  readonly dropped: number;
  /** Buckets whose writes wait although NATS is there. */
  readonly blocked: number;
}

export interface WriteBufferOptions extends ReplayBufferLimits {
  readonly writer: BucketWriter;
  readonly logger: Logger;
  /** How long `close` may take, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/**
 * Writes that wait for NATS, and go there in their order once it is back, bucket by bucket. Each keeps the revision
 * that was known when it was accepted, so it never overwrites what is newer. Bounded by count and by bytes over all
 * buckets; the oldest goes first.
 */
export class WriteBuffer {
  readonly #options: WriteBufferOptions;
  /** By bucket; those where nothing waits are gone. */
  readonly #lanes = new Map<string, WriteLane>();
  readonly #counts: ReplayCounts = { replayed: 0, conflicts: 0, refused: 0 };
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  #order = 0;
  #dropped = 0;
  #closed: Promise<void> | undefined;
  /** While it closes: resolves once nothing waits. */
  #empty: Deferred<void> | undefined;

  constructor(options: WriteBufferOptions) {
    this.#options = options;
    this.#forget = options.writer.onReconnect(() => {
      for (const lane of this.#lanes.values()) lane.begin();
    });
  }

  /** Whether something waits for this bucket, so that what comes now must wait behind it. */
  isWaiting(bucket: string): boolean {
    return this.#lanes.get(bucket)?.isWaiting ?? false;
  }

  /** What the key will hold after the writes that wait for it; undefined where none does. */
  pending(bucket: string, key: string): { readonly text: string | undefined } | undefined {
    return this.#lanes.get(bucket)?.pending(key);
  }

  /**
   * Takes a write, which is a change of `pending` where there is one, and of `base` otherwise. Throws
   * `BRIDGE_STOPPING`.
   */
  push(change: Change, base: Base): void {
    if (this.#closed !== undefined) {
      throw new BridgeError(
        "BRIDGE_STOPPING",
        "The bridge is stopping, so no write can wait here.",
      );
    }
    const lane = this.#laneOf(change.bucket);
    lane.push(change, base, this.#order++);
    this.#makeRoom();
    if (this.#options.writer.connected) lane.begin();
  }

  figures(): WriteBufferFigures {
    return {
      waiting: this.#sum(({ length }) => length),
      bytes: this.#sum(({ bytes }) => bytes),
      ...this.#counts,
      dropped: this.#dropped,
      blocked: this.#sum(({ isBlocked }) => (isBlocked ? 1 : 0)),
    };
  }

  /**
   * Gives what waits a last chance, until the deadline; what still waits then is lost, and said to be. Idempotent.
   */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs = 5_000, logger } = this.#options;
    if (this.#lanes.size > 0) {
      this.#empty = deferred();
      const timer = setTimeout(() => this.#empty?.resolve(), closeTimeoutMs);
      await this.#empty.promise;
      clearTimeout(timer);
    }
    this.#stop.abort();
    this.#forget();
    await Promise.all([...this.#lanes.values()].map(({ settled }) => settled));
    const writes = this.#sum(({ length }) => length);
    this.#lanes.clear();
    if (writes === 0) return;
    this.#dropped += writes;
    logger.warn({ writes }, "writes that waited for NATS are lost");
  }

  #laneOf(bucket: string): WriteLane {
    const known = this.#lanes.get(bucket);
    if (known !== undefined) return known;
    const { writer, logger } = this.#options;
    const lane: WriteLane = new WriteLane({
      bucket,
      writer,
      logger,
      counts: this.#counts,
      signal: this.#stop.signal,
      onEmpty: () => this.#end(bucket),
    });
    this.#lanes.set(bucket, lane);
    return lane;
  }

  #end(bucket: string): void {
    this.#lanes.delete(bucket);
    if (this.#lanes.size === 0) this.#empty?.resolve();
  }

  /** Drops the oldest writes of all buckets, until what waits is within the limits. */
  #makeRoom(): void {
    const { maxItems, maxBytes, logger } = this.#options;
    let writes = 0;
    let waiting = this.#sum(({ length }) => length);
    let bytes = this.#sum(({ bytes }) => bytes);
    while (waiting > 0 && (waiting > maxItems || bytes > maxBytes)) {
      const [first, ...others] = this.#lanes;
      const oldest = others.reduce(
        (found, other) => (other[1].firstOrder < found[1].firstOrder ? other : found),
        first!,
      );
      const [bucket, lane] = oldest;
      bytes -= lane.bytes;
      lane.drop();
      bytes += lane.bytes;
      waiting--;
      writes++;
      if (!lane.isWaiting) this.#end(bucket);
    }
    if (writes === 0) return;
    this.#dropped += writes;
    logger.warn({ writes }, "too many writes wait for NATS; the oldest are dropped");
  }

  #sum(figure: (lane: WriteLane) => number): number {
    let sum = 0;
    for (const lane of this.#lanes.values()) sum += figure(lane);
    return sum;
  }
}
