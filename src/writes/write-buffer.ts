import { setTimeout as delay } from "node:timers/promises";
import { deferred, type Deferred } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import type { Logger } from "../common/logger.ts";
import { type Dropped, ReplayBuffer, type ReplayBufferLimits } from "../common/replay-buffer.ts";
import { BridgeError, type ErrorCode, isBridgeError } from "../errors.ts";
import type { BucketWriter } from "../nats/bucket-writer.ts";
import { type Base, knownMarker, type Change } from "./change.ts";

/** What is known of the writes that had to wait; nothing of their content. */
export interface WriteBufferFigures {
  readonly waiting: number;
  readonly bytes: number;
  /** Written after they had waited. */
  readonly replayed: number;
  /** Not written, because the key had a newer value by then. */
  readonly conflicts: number;
  /** Not written, because NATS refused them for another reason. */
  readonly refused: number;
  /** Not written, because too many or too large ones waited. */
  readonly dropped: number;
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
}

export interface WriteBufferOptions extends ReplayBufferLimits {
  readonly writer: BucketWriter;
  readonly logger: Logger;
  /** How long `close` may take, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
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

/**
 * Writes that wait for NATS, and go there in their order once it is back. Each keeps the revision that was known
 * when it was accepted, so it never overwrites what is newer.
 */
export class WriteBuffer {
  readonly #buffer: ReplayBuffer<Waiting>;
  readonly #chains = new Map<string, Chain>();
  readonly #writer: BucketWriter;
  readonly #logger: Logger;
  readonly #closeTimeoutMs: number;
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  #replay: Promise<void> | undefined;
  #replayed = 0;
  #conflicts = 0;
  #refused = 0;
  #dropped = 0;
  #closed: Promise<void> | undefined;
  /** While it closes: resolves once nothing waits. */
  #empty: Deferred<void> | undefined;

  constructor({ writer, logger, closeTimeoutMs = 5_000, ...limits }: WriteBufferOptions) {
    this.#writer = writer;
    this.#logger = logger;
    this.#closeTimeoutMs = closeTimeoutMs;
    this.#buffer = new ReplayBuffer(limits, ({ change, chain }) => this.#leave(change, chain));
    this.#forget = writer.onReconnect(() => this.#begin());
  }

  /** Whether something waits, so that what comes now must wait behind it. */
  get isWaiting(): boolean {
    return this.#buffer.length > 0 || this.#replay !== undefined;
  }

  /** What the key will hold after the writes that wait for it; undefined where none does. */
  pending(bucket: string, key: string): { readonly text: string | undefined } | undefined {
    const chain = this.#chains.get(chainName(bucket, key));
    return chain && { text: chain.latest };
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
    const { bucket, key, text } = change;
    const name = chainName(bucket, key);
    let chain = this.#chains.get(name);
    if (chain === undefined) {
      chain = { base, latest: text, waiting: 0, broken: false };
      this.#chains.set(name, chain);
    }
    chain.latest = text;
    chain.waiting++;
    const bytes = BYTES_EACH + bucket.length + key.length + (change.bytes?.length ?? 0);
    this.#count(this.#buffer.push({ change, chain }, bytes));
    if (this.#writer.connected) this.#begin();
  }

  figures(): WriteBufferFigures {
    return {
      waiting: this.#buffer.length,
      bytes: this.#buffer.bytes,
      replayed: this.#replayed,
      conflicts: this.#conflicts,
      refused: this.#refused,
      dropped: this.#dropped,
    };
  }

  /**
   * Gives what waits a last chance, until the deadline; what still waits then is lost, and said to be. Idempotent.
   */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.isWaiting) {
      this.#empty = deferred();
      const timer = setTimeout(() => this.#empty?.resolve(), this.#closeTimeoutMs);
      await this.#empty.promise;
      clearTimeout(timer);
    }
    this.#stop.abort();
    this.#forget();
    await this.#replay;
    const { length } = this.#buffer.take(Number.POSITIVE_INFINITY).items;
    if (length === 0) return;
    this.#dropped += length;
    this.#logger.warn({ writes: length }, "writes that waited for NATS are lost");
  }

  #begin(): void {
    if (this.#replay !== undefined || this.#stop.signal.aborted || this.#buffer.length === 0)
      return;
    this.#replay = this.#run().finally(() => {
      this.#replay = undefined;
      // It may have come back, or something may have come in, just when the replay ended.
      if (this.#writer.connected) this.#begin();
      if (!this.isWaiting) this.#empty?.resolve();
    });
  }

  async #run(): Promise<void> {
    const backoff = new Backoff();
    while (this.#writer.connected && !this.#stop.signal.aborted) {
      const batch = this.#buffer.take(1);
      const [next] = batch.items;
      if (next === undefined) return;
      const done = await this.#send(next);
      this.#count(batch.settle(done ? 1 : 0));
      if (done) {
        this.#leave(next.change, next.chain);
        backoff.reset();
      } else if (this.#writer.connected) {
        await delay(backoff.next(), undefined, { signal: this.#stop.signal }).catch(
          () => undefined,
        );
      }
    }
  }

  /** Whether the write is done with, stored or not. */
  async #send({ change, chain }: Waiting): Promise<boolean> {
    const { bucket, key, id, bytes: value } = change;
    if (chain.broken) {
      this.#lost(change, "conflicts", "REVISION_CONFLICT");
      return true;
    }
    const { incarnation } = chain.base;
    for (;;) {
      const { expected } = chain.base;
      try {
        const revision = await this.#writer.write({
          bucket,
          key,
          value,
          expected,
          incarnation,
          id,
        });
        chain.base = { expected: revision, followed: revision, incarnation };
        this.#replayed++;
        return true;
      } catch (error) {
        if (isPassing(error)) return false;
        const marker = knownMarker(error, chain.base);
        if (marker !== undefined) {
          chain.base = { ...chain.base, expected: marker };
          continue;
        }
        const isConflict = isBridgeError(error, "REVISION_CONFLICT");
        this.#break(change, chain);
        this.#lost(change, isConflict ? "conflicts" : "refused", codeOf(error));
        return true;
      }
    }
  }

  #break({ bucket, key }: Change, chain: Chain): void {
    chain.broken = true;
    const name = chainName(bucket, key);
    if (this.#chains.get(name) === chain) this.#chains.delete(name);
  }

  /** The write waits no longer. */
  #leave({ bucket, key }: Change, chain: Chain): void {
    chain.waiting--;
    const name = chainName(bucket, key);
    if (chain.waiting === 0 && this.#chains.get(name) === chain) this.#chains.delete(name);
  }

  #lost({ bucket, key }: Change, how: "conflicts" | "refused", code: string): void {
    if (how === "conflicts") this.#conflicts++;
    else this.#refused++;
    this.#logger.warn({ bucket, key, code }, "a write that waited for NATS is not written");
  }

  #count({ byCount, byBytes }: Dropped): void {
    const writes = byCount + byBytes;
    if (writes === 0) return;
    this.#dropped += writes;
    this.#logger.warn({ writes }, "too many writes wait for NATS; the oldest are dropped");
  }
}

const BYTES_EACH = 256;

/** Neither part can hold a space. */
function chainName(bucket: string, key: string): string {
  return `${bucket} ${key}`;
}

function codeOf(error: unknown): string {
  return isBridgeError(error) ? error.code : "?";
}
