import type { BucketEntry, BucketInfo } from "../nats/bucket-source.ts";
import type { KeyChange } from "../store/bucket-document.ts";
import type { Clock } from "./clock.ts";
import { Expiries } from "./expiries.ts";
import { Holes } from "./holes.ts";
import { changeOf } from "./load.ts";

/** Delete markers remembered of one bucket; with more, only a listing tells whether the copy is right. */
const MAX_MARKERS = 1_000_000;
const TICK_MS = 1_000;
/** A stream stands still when nothing of it has come for so many ticks. A process that is blocked has fewer of them. */
const STANDSTILL_TICKS = 4;

/** What one stream has said, beside the values: how far it has come, which keys it ended, and what expires when. */
export class Heard {
  readonly #clock: Clock;
  readonly #expiries = new Expiries();
  readonly #holes = new Holes();
  readonly #markers = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  /** What the server said when the copy was last known to be right. */
  #base: BucketInfo | undefined;
  #sinceBase = 0;
  #position = 0;
  #revision = 0;
  #loaded = 0;
  #markersLost = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  opened(info: BucketInfo): void {
    this.#base = info;
  }

  /** What an entry changes. One that has expired already is as one that removes its key. */
  entry(entry: BucketEntry): KeyChange {
    const { key, revision, operation, expiresMs } = entry;
    if (revision > this.#base!.revision) this.#sinceBase++;
    this.#revision = Math.max(this.#revision, revision);
    this.reached(revision);
    // Most never do, and looking at the clock takes longer than all else here.
    const expired = expiresMs !== Infinity && expiresMs <= this.#clock.epochMs();
    this.#expiries.set(key, expired ? Infinity : expiresMs);
    if (operation === "delete" && !expired) this.#mark(key, revision);
    else if (this.#markers.size > 0) this.#markers.delete(key);
    return expired ? { key, revision } : changeOf(entry);
  }

  /** Everything up to this revision has been heard. */
  reached(revision: number): void {
    if (revision <= this.#position) return;
    this.#position = revision;
    for (const wake of this.#waiting) wake();
  }

  /** The snapshot has ended, at this revision. */
  loaded(revision: number): void {
    this.#loaded = revision;
    this.reached(revision);
  }

  /** From now on what was heard is whole up to this revision only; Infinity: all of it is. */
  wholeTo(revision: number): void {
    if (revision !== Infinity) this.#holes.open(revision);
    else this.#holes.close(Math.max(this.#revision, this.#loaded));
  }

  /** Up to which revision a copy is whole that has what was heard up to this one. */
  whole(revision: number): number {
    return this.#holes.whole(revision);
  }

  /** How far the stream has come. */
  get position(): number {
    return this.#position;
  }

  /** The highest revision of all entries. */
  get revision(): number {
    return this.#revision;
  }

  /** What the server said when the copy was last known to be right, or the stream was opened. */
  get base(): BucketInfo {
    return this.#base!;
  }

  /** How many entries have come since {@link base}. */
  get sinceBase(): number {
    return this.#sinceBase;
  }

  /** From now on the copy is known to be what the server describes so. */
  proved(info: BucketInfo): void {
    this.#base = info;
    this.#sinceBase = 0;
  }

  /** Keys that end with a delete marker; undefined when there are too many to know. */
  get markers(): number | undefined {
    return this.#markersLost ? undefined : this.#markers.size;
  }

  /** At which revision a key was ended; undefined when it was not, or that is not known. */
  endedAt(key: string): number | undefined {
    return this.#markers.get(key);
  }

  /** When the next key expires, in milliseconds since the epoch. */
  get nextExpiry(): number {
    return this.#expiries.next;
  }

  /** Takes out keys whose time has come, at most so many. */
  expire(max: number): KeyChange[] {
    const now = this.#clock.epochMs();
    const revision = Math.max(this.#revision, this.#loaded);
    const expired: KeyChange[] = [];
    for (let count = 0; count < max; count++) {
      const key = this.#expiries.take(now);
      if (key === undefined) break;
      // A marker has done its work long before.
      if (!this.#markers.delete(key)) expired.push({ key, revision });
    }
    return expired;
  }

  /** Whether the stream comes to a revision; false once it stands still on its way, or the signal aborts. */
  reaches(revision: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      let left = STANDSTILL_TICKS;
      const moved = (): void => {
        left = STANDSTILL_TICKS;
        if (this.#position >= revision) end(true);
      };
      const giveUp = (): void => end(false);
      const tick = (): void => {
        if (--left === 0) giveUp();
        else cancel = this.#clock.after(TICK_MS, tick);
      };
      let cancel = this.#clock.after(TICK_MS, tick);
      const end = (answer: boolean): void => {
        cancel();
        this.#waiting.delete(moved);
        signal.removeEventListener("abort", giveUp);
        resolve(answer);
      };
      this.#waiting.add(moved);
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
      else moved();
    });
  }

  #mark(key: string, revision: number): void {
    if (this.#markers.size < MAX_MARKERS) this.#markers.set(key, revision);
    else this.#markersLost = true;
  }
}
