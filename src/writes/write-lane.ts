import { setTimeout as delay } from "node:timers/promises";
import { Backoff } from "../common/backoff.ts";
import type { Logger } from "../common/logger.ts";
import { ReplayBuffer } from "../common/replay-buffer.ts";
import { type ErrorCode, isBridgeError } from "../errors.ts";
import type { BucketWriter } from "../nats/bucket-writer.ts";
import { type Base, type Change, knownMarker } from "./change.ts";

/** What has come of the writes that waited. */
export interface ReplayCounts {
  replayed: number;
  conflicts: number;
  refused: number;
}

/**
 * The writes of one key that wait, in order. Each is a change of the one before; the first is one of what was known
 * when it was accepted, and so is the next when the first has been dropped to make room.
 */
interface Chain {
  base: Base;
  /** What the key will hold after all of them. */
  latest: string | undefined;
  waiting: number;
  /** Somebody else has written the key: what follows is a change of a value that never was. */
  broken: boolean;
}

interface Waiting {
  readonly change: Change;
  readonly chain: Chain;
  /** When it came, among the writes of all buckets. */
  readonly order: number;
}

/** What came of a write; an error's code when it must wait. */
type Outcome = "stored" | "lost" | ErrorCode;

export interface LaneOptions {
  readonly bucket: string;
  readonly writer: BucketWriter;
  readonly logger: Logger;
  readonly counts: ReplayCounts;
  /** Ends the replay; what is under way is waited for. */
  readonly signal: AbortSignal;
  /** Told when nothing waits any more. */
  readonly onEmpty: () => void;
}

/** Not the write's fault: it stays in front, and is tried again. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "BUCKET_STREAM_ENDED",
  "JETSTREAM_UNAVAILABLE",
  "NATS_CLOSED",
  "NATS_TIMEOUT",
  "NATS_UNREACHABLE",
]);

/** Whether a write that failed so may succeed later, or may even have been stored. */
export function isPassing(error: unknown): boolean {
  return isBridgeError(error) && PASSING.has(error.code);
}

const BYTES_EACH = 256;
const UNBOUNDED = { maxItems: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY };

/**
 * The writes of one bucket that wait, and go to NATS in their order. A bucket that can't be written for now, though
 * NATS is there, holds up its own only: a mirror whose origin is away, a stream without a leader.
 */
export class WriteLane {
  readonly #options: LaneOptions;
  readonly #buffer = new ReplayBuffer<Waiting>(UNBOUNDED);
  readonly #chains = new Map<string, Chain>();
  #replay: Promise<void> | undefined;
  #blocked = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** How many wait; the one that is under way is not among them. */
  get length(): number {
    return this.#buffer.length;
  }

  get bytes(): number {
    return this.#buffer.bytes;
  }

  /** When the first came; Infinity where there is none. */
  get firstOrder(): number {
    return this.#buffer.first?.order ?? Infinity;
  }

  /** Whether something waits, or is under way. */
  get isWaiting(): boolean {
    return this.#buffer.length > 0 || this.#replay !== undefined;
  }

  /** Whether the first can't be written although NATS is there. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** Resolves when nothing is under way; never rejects. */
  get settled(): Promise<void> {
    return this.#replay ?? Promise.resolve();
  }

  /** What the key will hold after the writes that wait for it; undefined where none does. */
  pending(key: string): { readonly text: string | undefined } | undefined {
    const chain = this.#chains.get(key);
    return chain && { text: chain.latest };
  }

  push(change: Change, base: Base, order: number): void {
    const { bucket, key, text } = change;
    let chain = this.#chains.get(key);
    if (chain === undefined) {
      chain = { base, latest: text, waiting: 0, broken: false };
      this.#chains.set(key, chain);
    }
    chain.latest = text;
    chain.waiting++;
    const bytes = BYTES_EACH + bucket.length + key.length + (change.bytes?.length ?? 0);
    this.#buffer.push({ change, chain, order }, bytes);
  }

  /** Drops the first, to make room; the later ones of its key stay right. */
  drop(): void {
    const [first] = this.#buffer.take(1).items;
    if (first !== undefined) this.#leave(first);
  }

  /** Replays what waits, unless that is under way already. */
  begin(): void {
    const { signal, writer, onEmpty } = this.#options;
    if (this.#replay !== undefined || signal.aborted || this.#buffer.length === 0) return;
    this.#replay = this.#run().finally(() => {
      this.#replay = undefined;
      // The connection may have come back, or something may have come in, just when the replay ended.
      if (writer.connected) this.begin();
      if (!this.isWaiting) onEmpty();
    });
  }

  async #run(): Promise<void> {
    const { writer, signal } = this.#options;
    const backoff = new Backoff();
    while (writer.connected && !signal.aborted) {
      const batch = this.#buffer.take(1);
      const [next] = batch.items;
      if (next === undefined) break;
      const outcome = await this.#send(next);
      this.#tell(outcome);
      if (outcome === "stored" || outcome === "lost") {
        batch.settle(1);
        this.#leave(next);
        backoff.reset();
        continue;
      }
      batch.settle(0);
      if (writer.connected) {
        await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
      }
    }
    this.#blocked = false;
  }

  /** Says once that the bucket can't be written though NATS is there, and once that it can again. */
  #tell(outcome: Outcome): void {
    const { bucket, writer, logger } = this.#options;
    const failed = outcome !== "stored" && outcome !== "lost";
    const blocked = failed && writer.connected;
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    if (blocked) {
      logger.warn(
        { bucket, code: outcome },
        "a bucket can't be written for now, so its writes wait; those of others go on",
      );
    } else if (outcome === "stored") logger.info({ bucket }, "a bucket can be written again");
  }

  async #send({ change, chain }: Waiting): Promise<Outcome> {
    const { writer, counts } = this.#options;
    const { bucket, key, id, bytes: value } = change;
    if (chain.broken) {
      this.#lost(change, "conflicts", "REVISION_CONFLICT");
      return "lost";
    }
    const { incarnation } = chain.base;
    for (;;) {
      const { expected } = chain.base;
      try {
        const revision = await writer.write({ bucket, key, value, expected, incarnation, id });
        chain.base = { expected: revision, followed: revision, incarnation };
        counts.replayed++;
        return "stored";
      } catch (error) {
        if (isBridgeError(error) && isPassing(error)) return error.code;
        const marker = knownMarker(error, chain.base);
        if (marker !== undefined) {
          chain.base = { ...chain.base, expected: marker };
          continue;
        }
        const isConflict = isBridgeError(error, "REVISION_CONFLICT");
        chain.broken = true;
        if (this.#chains.get(key) === chain) this.#chains.delete(key);
        this.#lost(change, isConflict ? "conflicts" : "refused", codeOf(error));
        return "lost";
      }
    }
  }

  /** The write waits no longer. */
  #leave({ change: { key }, chain }: Waiting): void {
    chain.waiting--;
    if (chain.waiting === 0 && this.#chains.get(key) === chain) this.#chains.delete(key);
  }

  #lost({ bucket, key }: Change, how: "conflicts" | "refused", code: string): void {
    const { counts, logger } = this.#options;
    counts[how]++;
    logger.warn({ bucket, key, code }, "a write that waited for NATS is not written");
  }
}

function codeOf(error: unknown): string {
  return isBridgeError(error) ? error.code : "?";
}
