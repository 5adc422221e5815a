import type { BucketInfo } from "../nats/bucket-source.ts";
import type { Heard } from "./heard.ts";
import type { RepairCause } from "./listen.ts";

/**
 * Up to which revision a bucket's copy in the store is whole: every key is there as it was at that revision, or as
 * it was later. Mostly that is the copy's own revision.
 */
export class Wholeness {
  /** What the copy was heard from, and while another load is on its way into the store, what that was heard from. */
  #heard: Heard[] = [];
  #incarnation: string | undefined;
  /** A copy may know of what its bucket has lost; then the bucket's revisions are not those of the copy. */
  #limit = Infinity;
  /** Whether the bucket has lost something since the last load was complete, which may not be in the store yet. */
  #lost = false;

  /** Another stream begins. */
  opened({ incarnation, revision }: BucketInfo): void {
    const same = incarnation === this.#incarnation;
    this.#incarnation = incarnation;
    this.#limit = same ? Math.min(this.#limit, revision) : 0;
  }

  /** A load is complete, and on its way into the store. */
  loaded(heard: Heard): void {
    this.#heard.push(heard);
    this.#lost = false;
  }

  /** The load is in the store. */
  committed(): void {
    this.#heard = this.#heard.slice(-1);
    if (!this.#lost) this.#limit = Infinity;
  }

  /** The stream has ended. */
  ended(cause: RepairCause): void {
    if (cause !== "incarnation" && cause !== "regressed") return;
    this.#lost = true;
    this.#limit = 0;
  }

  /**
   * Up to which revision the copy is whole while it is at this one. Where all that was heard is in the store, it is
   * as far as its stream: behind the last entry others may have come and gone.
   */
  at(revision: number, hasAll: boolean): number {
    const place = hasAll ? Math.max(revision, this.#heard.at(-1)?.position ?? 0) : revision;
    return Math.min(this.#limit, ...this.#heard.map((heard) => heard.whole(place)));
  }
}
