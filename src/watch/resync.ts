import type { BucketSource } from "../nats/bucket-source.ts";
import type { Clock } from "./clock.ts";
import type { StreamEnd } from "./listen.ts";
import { LoadRoom } from "./load-room.ts";
import { pause } from "./pause.ts";
import { answered } from "./probe.ts";
import { RESYNC_COOLDOWN_MS, ResyncPace } from "./retry.ts";
import { isUnanswered } from "./stream-end.ts";
import type { BucketWatcherOptions } from "./watcher-options.ts";

/** When one bucket may be loaded again: after a pause, and when not too many others are. */
export class Resync {
  readonly #bucket: string;
  readonly #source: BucketSource;
  readonly #clock: Clock;
  readonly #room: LoadRoom;
  readonly #longMs: number;
  readonly #pace: ResyncPace;
  /** Gives back the room that is held. */
  #leave: (() => void) | undefined;
  #cancelLeave = (): void => undefined;

  constructor(bucket: string, options: BucketWatcherOptions, clock: Clock) {
    const { source, loadRoom, loadTimeoutMs, resyncCooldownMs = RESYNC_COOLDOWN_MS } = options;
    this.#bucket = bucket;
    this.#source = source;
    this.#clock = clock;
    this.#room = loadRoom ?? new LoadRoom(1);
    this.#longMs = loadTimeoutMs;
    this.#pace = new ResyncPace(resyncCooldownMs, () => clock.random());
  }

  /** Resolves when the next stream may be opened, or the signal aborts. `again`: it has been loaded before. */
  async next(end: StreamEnd, again: boolean, signal: AbortSignal): Promise<void> {
    this.over();
    if (await this.#wait(end, signal)) this.#pace.reconnected();
    // Who has started the first load has made room for it.
    if (again && !signal.aborted) this.#leave = await this.#room.enter(this.#bucket, signal);
    if (signal.aborted) this.over();
  }

  /** The answer is whether a connection came back meanwhile. */
  async #wait(end: StreamEnd, signal: AbortSignal): Promise<boolean> {
    // How often a stream fails says something about it; that nobody was there to answer does not.
    if (isUnanswered(end.reason)) return answered(this.#source, this.#bucket, this.#clock, signal);
    const waitMs = this.#pace.waitMs(end);
    return waitMs > 0 && pause(this.#source, this.#clock, waitMs, signal);
  }

  /**
   * The server has begun to answer. Whoever takes longer than a first load may goes on, but keeps nobody waiting;
   * while there is no connection, there is nothing that the others could do.
   */
  opened(): void {
    if (this.#leave === undefined) return;
    this.#cancelLeave();
    this.#cancelLeave = this.#clock.after(this.#longMs, this.#leave);
  }

  /** The load is in the store, or will never be: another bucket may go on. Safe at any time. */
  over(): void {
    this.#cancelLeave();
    this.#leave?.();
    this.#leave = undefined;
  }
}
