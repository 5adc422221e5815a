import type { BucketDocument } from "../store/bucket-document.ts";
import type { DocumentEntry } from "../store/document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { ChangeFilter } from "./filter.ts";
import { entryText, type FeedFrame, frame } from "./frames.ts";

interface Walk {
  readonly bucket: string;
  readonly document: BucketDocument;
  readonly entries: Iterator<[string, DocumentEntry]>;
  told: boolean;
}

/**
 * Tells what is in buckets while they change: it reads the store as it is at each step and holds nothing back,
 * so a walk costs no memory, however long its reader takes. A key that stays as it is throughout the walk is told;
 * one that changes may be told as it was or as it is, or not at all, and the commit log knows of it.
 */
export class BucketWalk {
  readonly #store: PolicyStore;
  readonly #filter: ChangeFilter;
  readonly #waiting = new Set<string>();
  #walk: Walk | undefined;
  /** A walk was given up, and no step has been made since. */
  #isCut = false;

  constructor(store: PolicyStore, filter: ChangeFilter) {
    this.#store = store;
    this.#filter = filter;
  }

  get done(): boolean {
    return this.#walk === undefined && this.#waiting.size === 0 && !this.#isCut;
  }

  /** Walks a bucket, after those that were added before. Not to be called in the middle of one. */
  add(bucket: string): void {
    this.#waiting.add(bucket);
  }

  /**
   * Forgets a document that was taken away: whoever doesn't read would keep all of it in memory. The log says what
   * came of it.
   */
  letGo(): void {
    if (this.#walk === undefined) return;
    const { bucket, document } = this.#walk;
    if (this.#store.bucket(bucket) === document) return;
    this.#walk = undefined;
    this.#isCut = true;
  }

  /** Forgets what is left to walk. */
  clear(): void {
    this.#walk?.entries.return?.();
    this.#walk = undefined;
    this.#isCut = false;
    this.#waiting.clear();
  }

  /** Goes on by so many keys or characters; a frame when there is something to tell. Not to be called when done. */
  step(maxKeys: number, maxChars: number): { frame: FeedFrame | undefined; keys: number } {
    const walk = this.#current();
    this.#isCut = false;
    if (walk === undefined) return { frame: undefined, keys: 0 };
    const texts: string[] = [];
    let keys = 0;
    let chars = 0;
    let ended = false;
    while (keys < maxKeys && chars < maxChars) {
      const next = walk.entries.next();
      ended = next.done === true;
      if (next.done === true) break;
      keys++;
      const [key, entry] = next.value;
      if (!this.#filter.hasKey(key)) continue;
      const text = entryText(key, entry);
      texts.push(text);
      chars += text.length;
    }
    if (ended) this.#walk = undefined;
    // An empty bucket is in sight too.
    if (texts.length === 0 && (walk.told || !ended)) return { frame: undefined, keys };
    walk.told = true;
    const fields = { bucket: JSON.stringify(walk.bucket), entries: `[${texts.join(",")}]` };
    return { frame: frame("entries", fields), keys };
  }

  /** The walk under way, or the next one. */
  #current(): Walk | undefined {
    this.letGo();
    if (this.#walk !== undefined) return this.#walk;
    for (const bucket of this.#waiting) {
      this.#waiting.delete(bucket);
      const document = this.#store.bucket(bucket);
      if (document === undefined) continue;
      const entries = document.entries(this.#filter.path)[Symbol.iterator]();
      this.#walk = { bucket, document, entries, told: false };
      return this.#walk;
    }
    return undefined;
  }
}
