import { Backoff } from "../common/backoff.ts";
import type { StreamEnd } from "./listen.ts";

/** A stream that was followed for less than this says nothing about how the next one will fare. */
export const RESYNC_COOLDOWN_MS = 5_000;
/** A connection that flaps must not make every bucket load again and again. */
export const RECONNECT_COOLDOWN_MS = 500;
/** Over this time a fleet that has lost the same server spreads its loads, in milliseconds. */
const STAGGER_MS = 200;

/**
 * When a bucket is loaded again after a gap. The first gap after a quiet time is closed at once. One that comes
 * within the cooldown waits, longer each time, so that a stream that fails over and over can't make the bridge load
 * its buckets over and over. What counts is for how long the stream was followed, not what it delivered: an idle
 * bucket is as good as a busy one.
 *
 * A connection that was lost and is back says nothing about the bucket: such a gap never waits longer than a short
 * cooldown. How often connections come and go has its own backoff, where they are made.
 */
export class ResyncPace {
  readonly #backoff: Backoff;
  readonly #cooldownMs: number;
  readonly #random: () => number;

  /** `cooldownMs`: 0 closes every gap at once, so that only loads that fail are slowed down. */
  constructor(cooldownMs: number, random: () => number) {
    this.#cooldownMs = cooldownMs;
    this.#random = random;
    this.#backoff = new Backoff({ random });
  }

  /** The connection is back: what streams have failed of before is over. */
  reconnected(): void {
    this.#backoff.reset();
  }

  /** How long to wait before the bucket is loaded again after a stream that ended so, in milliseconds. */
  waitMs({ followedMs, cause }: Pick<StreamEnd, "followedMs" | "cause">): number {
    if (cause === "reconnect") {
      this.reconnected();
      const cooldownMs = Math.min(RECONNECT_COOLDOWN_MS, this.#cooldownMs);
      return Math.max(cooldownMs - (followedMs ?? 0), STAGGER_MS * this.#random());
    }
    if (followedMs !== undefined && followedMs >= this.#cooldownMs) this.#backoff.reset();
    const first = followedMs !== undefined && this.#backoff.failures === 0;
    const waitMs = this.#backoff.next();
    return first ? 0 : waitMs;
  }
}
