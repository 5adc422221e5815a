import { Document, type DocumentEntry, type DocumentPart, type PlacedPart } from "./document.ts";
import type { StoredValue } from "./value.ts";

/** What happened to one key: a value, a value that must not be shown, or (with neither) the key's removal. */
export interface KeyChange {
  /** The key. */
  readonly key: string;
  /** The revision that did it. */
  readonly revision: number;
  /** Its value. */
  readonly value?: StoredValue;
  /** Why its value must not be shown. */
  readonly refused?: string;
}

/** A key whose value policies don't see. */
export interface RefusedKey {
  /** The key. */
  readonly key: string;
  /** Why: its place belongs to the policy, or its value is nested too deeply. */
  readonly reason: string;
}

/** The numbers of a bucket's data. */
export interface BucketFigures {
  /** The revision up to which the bucket's changes have been applied. */
  readonly revision: number;
  /** How many keys there are, the refused ones included. */
  readonly keys: number;
  /** Characters of keys and values. */
  readonly bytes: number;
  /** Keys whose value is hidden by deeper keys; up to 20. */
  readonly hidden: readonly string[];
  /** How many such keys there are. */
  readonly hiddenCount: number;
  /** Keys whose value is not shown, with the reason; up to 20. */
  readonly refused: readonly RefusedKey[];
  /** How many such keys there are. */
  readonly refusedCount: number;
  /** Values that are not UTF-8 and are shown as base64. */
  readonly binaryCount: number;
}

/** What a change has come to: the entries before and after. */
export interface Difference {
  /** What the key had; absent where it had nothing. */
  readonly previous?: DocumentEntry;
  /** What it has now; absent where it has nothing. */
  readonly current?: DocumentEntry;
}

/** How many names a list in {@link BucketFigures} carries at most; the counts are exact. */
export const LISTED_KEYS = 20;

/** A bucket's document with what is known about it. Changed by the store alone, once it is mounted. */
export class BucketDocument {
  readonly #document = new Document();
  readonly #refuse: ((key: string) => string | undefined) | undefined;
  readonly #refused = new Map<string, string>();
  /** Values that the document's own rule keeps out of sight; they come back when it lets them. */
  readonly #withheld = new Map<
    string,
    { readonly value: StoredValue; readonly revision: number }
  >();
  readonly #binary = new Set<string>();
  #bytes = 0;
  #withheldBytes = 0;
  #revision = 0;

  /** `refuse` names the reason why a key may not stand in this document, if there is one. */
  constructor(refuse?: (key: string) => string | undefined) {
    this.#refuse = refuse;
  }

  /** The revision up to which the bucket has been followed; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** Keys that the bucket holds, the refused ones included. */
  get keys(): number {
    return this.#document.size + this.#refused.size;
  }

  /** Characters of keys and values that are kept, the withheld ones included. */
  get bytes(): number {
    return this.#bytes + this.#withheldBytes;
  }

  /**
   * Applies one change; the answer tells the entries before and after, when they differ.
   * A refused value takes the key's older value out of sight too: serving it would be serving a stale one.
   */
  apply(change: KeyChange): Difference | undefined {
    const { key, revision, value } = change;
    const refused = change.refused ?? (value && this.#refuse?.(key));
    const isWithheld = refused !== undefined && change.refused === undefined;
    if (isWithheld || this.#withheld.size > 0)
      this.#withhold(key, isWithheld ? value : undefined, revision);
    if (refused !== undefined) this.#refused.set(key, refused);
    else if (this.#refused.size > 0) this.#refused.delete(key);

    const shown = refused === undefined ? value : undefined;
    const previous =
      shown === undefined
        ? this.#document.remove(key)
        : this.#document.put(key, shown.text, revision);
    if (previous !== undefined) this.#bytes -= key.length + previous.text.length;
    if (shown !== undefined) this.#bytes += key.length + shown.text.length;
    if (shown?.kind === "base64") this.#binary.add(key);
    else if (this.#binary.size > 0) this.#binary.delete(key);

    if (shown === undefined) return previous && { previous };
    if (previous?.revision === revision && previous.text === shown.text) return undefined;
    return { ...(previous && { previous }), current: { text: shown.text, revision } };
  }

  /**
   * @hidden
   *
   * To be called when the rule for what may stand in the document has changed: looks at the keys at, above and under
   * these paths anew, and at all that are withheld. The answer is what is different now.
   */
  judge(paths: readonly (readonly string[])[]): (Difference & { key: string; revision: number })[] {
    const changes = new Map<string, KeyChange>();
    for (const path of paths) {
      for (const [key, { text, revision }] of this.#document.entries(path)) {
        const kind = this.#binary.has(key) ? "base64" : "json";
        changes.set(key, { key, revision, value: { text, kind } });
      }
    }
    for (const [key, { value, revision }] of this.#withheld) {
      changes.set(key, { key, revision, value });
    }
    return [...changes.values()].flatMap((change) => {
      const { key, revision } = change;
      const difference = this.apply(change);
      return difference === undefined ? [] : [{ key, revision, ...difference }];
    });
  }

  #withhold(key: string, value: StoredValue | undefined, revision: number): void {
    const before = this.#withheld.get(key);
    if (before !== undefined) this.#withheldBytes -= key.length + before.value.text.length;
    if (value === undefined) this.#withheld.delete(key);
    else {
      this.#withheld.set(key, { value, revision });
      this.#withheldBytes += key.length + value.text.length;
    }
  }

  /** Notes how far the bucket has been followed. Lower than before when the bucket was made anew. */
  followed(revision: number): void {
    this.#revision = revision;
  }

  /** What exactly this key has; undefined where that is nothing, or is refused. */
  entry(key: string): DocumentEntry | undefined {
    return this.#document.entry(key);
  }

  /** The JSON text of the document at `path` (default: all of it); undefined where there is nothing. */
  text(path?: readonly string[]): string | undefined {
    return this.#document.text(path);
  }

  /**
   * Every key at, above and under `path` with what it has, those that are hidden included. To be read before
   * anything changes.
   */
  entries(path?: readonly string[]): Iterable<[key: string, entry: DocumentEntry]> {
    return this.#document.entries(path);
  }

  /** @hidden The pieces that make up the document; may be read while it changes. */
  parts(): Iterable<PlacedPart> {
    return this.#document.parts();
  }

  /** The smallest piece that must be set anew for the document to be right after this key has changed. */
  partAt(key: string): DocumentPart {
    return this.#document.partAt(key);
  }

  /** Why a value of this key is not shown, or would not be. */
  refusal(key: string): string | undefined {
    return this.#refused.get(key) ?? this.#refuse?.(key);
  }

  /** Keys that are refused, with the reason. */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  /** The numbers of the data, and up to 20 names for each list. */
  figures(): BucketFigures {
    const { hidden } = this.#document;
    return {
      revision: this.#revision,
      keys: this.keys,
      bytes: this.#bytes,
      hidden: first(hidden, LISTED_KEYS),
      hiddenCount: hidden.size,
      refused: first(this.#refused, LISTED_KEYS).map(([key, reason]) => ({ key, reason })),
      refusedCount: this.#refused.size,
      binaryCount: this.#binary.size,
    };
  }
}

function first<T>(items: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (taken.length === count) break;
    taken.push(item);
  }
  return taken;
}
