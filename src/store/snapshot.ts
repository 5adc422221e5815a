import { BucketDocument } from "./bucket-document.ts";
import type { DocumentEntry } from "./document.ts";

/** A read-only view of one bucket, as it was at one version of the store. */
export interface BucketView {
  readonly revision: number;
  /** The entry of exactly this key. */
  entry(key: string): DocumentEntry | undefined;
  /** The JSON text of the document at `path`; undefined where there is nothing. */
  text(path?: readonly string[]): string | undefined;
  entries(): Iterable<[key: string, entry: DocumentEntry]>;
}

/**
 * The store as it was when the snapshot was taken, whatever commits meanwhile. Holding it costs memory for
 * what has changed since, not for the data. Release it when done.
 */
export interface StoreSnapshot extends Disposable {
  readonly version: number;
  bucket(name: string): BucketView | undefined;
  /** Safe to call any number of times. */
  release(): void;
}

/** What one bucket was before the commits that followed an epoch. */
interface Undo {
  readonly entries: Map<string, DocumentEntry | undefined>;
  /** The bucket's revision at the epoch; -1 until known. */
  revision: number;
  /** Set once the whole bucket has been replaced or taken away: its document until then. */
  replaced?: { readonly document: BucketDocument | undefined };
}

/** A version that somebody holds a snapshot of. */
interface Epoch {
  readonly version: number;
  holders: number;
  readonly undo: Map<string, Undo>;
}

/**
 * Keeps what open snapshots need. Only the newest epoch records what a commit replaces; an older one reads on
 * through the epochs after it. With no snapshot open, nothing is recorded.
 */
export class SnapshotLog {
  readonly #epochs: Epoch[] = [];
  readonly #live: (bucket: string) => BucketDocument | undefined;

  constructor(live: (bucket: string) => BucketDocument | undefined) {
    this.#live = live;
  }

  /** How many versions are held. */
  get size(): number {
    return this.#epochs.length;
  }

  /** How many replaced entries are kept for the snapshots that are open. */
  get retained(): number {
    let count = 0;
    for (const { undo } of this.#epochs)
      for (const { entries } of undo.values()) count += entries.size;
    return count;
  }

  take(version: number): StoreSnapshot {
    let epoch = this.#epochs.at(-1);
    if (epoch?.version !== version) {
      epoch = { version, holders: 0, undo: new Map() };
      this.#epochs.push(epoch);
    }
    epoch.holders++;
    const held = epoch;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      if (--held.holders === 0) this.#drop(held);
    };
    return {
      version,
      bucket: (name) => (released ? undefined : this.#view(held, name)),
      release,
      [Symbol.dispose]: release,
    };
  }

  /** To be told before the keys of a mounted bucket change, or only its revision. */
  recordRevision(bucket: string): void {
    this.#newestUndo(bucket);
  }

  /** To be told before a key of a mounted bucket changes. */
  recordEntry(bucket: string, key: string, before: DocumentEntry | undefined): void {
    const undo = this.#newestUndo(bucket);
    if (undo === undefined || undo.replaced !== undefined || undo.entries.has(key)) return;
    undo.entries.set(key, before);
  }

  /** To be told before a bucket's whole document is replaced or taken away. */
  recordDocument(bucket: string, before: BucketDocument | undefined): void {
    const undo = this.#newestUndo(bucket);
    if (undo !== undefined) undo.replaced ??= { document: before };
  }

  #newestUndo(bucket: string): Undo | undefined {
    const epoch = this.#epochs.at(-1);
    if (epoch === undefined) return undefined;
    let undo = epoch.undo.get(bucket);
    if (undo === undefined) {
      undo = { entries: new Map(), revision: this.#live(bucket)?.revision ?? 0 };
      epoch.undo.set(bucket, undo);
    }
    return undo;
  }

  /** An epoch that nobody holds any more leaves what it knows to the one before it, if there is one. */
  #drop(epoch: Epoch): void {
    const index = this.#epochs.indexOf(epoch);
    this.#epochs.splice(index, 1);
    const heir = this.#epochs[index - 1];
    if (heir === undefined) return;
    for (const [bucket, undo] of epoch.undo) {
      const known = heir.undo.get(bucket);
      if (known === undefined) heir.undo.set(bucket, undo);
      else if (known.replaced === undefined) {
        for (const [key, entry] of undo.entries) {
          if (!known.entries.has(key)) known.entries.set(key, entry);
        }
        if (undo.replaced !== undefined) known.replaced = undo.replaced;
      }
    }
  }

  #view(epoch: Epoch, bucket: string): BucketView | undefined {
    const overrides = new Map<string, DocumentEntry | undefined>();
    let document = this.#live(bucket);
    let revision: number | undefined;
    for (const { undo } of this.#epochs.slice(this.#epochs.indexOf(epoch))) {
      const changed = undo.get(bucket);
      if (changed === undefined) continue;
      revision ??= changed.revision;
      for (const [key, entry] of changed.entries) {
        if (!overrides.has(key)) overrides.set(key, entry);
      }
      if (changed.replaced !== undefined) {
        document = changed.replaced.document;
        break;
      }
    }
    if (document === undefined) return undefined;
    return viewOf(document, overrides, revision ?? document.revision);
  }
}

function viewOf(
  document: BucketDocument,
  overrides: ReadonlyMap<string, DocumentEntry | undefined>,
  revision: number,
): BucketView {
  function* entries(path?: readonly string[]): Generator<[string, DocumentEntry]> {
    for (const pair of document.entries(path)) if (!overrides.has(pair[0])) yield pair;
    for (const [key, entry] of overrides) {
      if (entry !== undefined && (path === undefined || concerns(key, path))) yield [key, entry];
    }
  }
  return {
    revision,
    entry: (key) => (overrides.has(key) ? overrides.get(key) : document.entry(key)),
    entries: () => entries(),
    text(path = []) {
      if (![...overrides.keys()].some((key) => concerns(key, path))) return document.text(path);
      const past = new BucketDocument();
      for (const [key, { text, revision: at }] of entries(path)) {
        past.apply({ key, revision: at, value: { text, kind: "json" } });
      }
      return past.text(path);
    },
  };
}

/** Whether a key decides what stands at `path`: it is above, at or under it. */
function concerns(key: string, path: readonly string[]): boolean {
  const segments = key.split(".");
  const common = Math.min(segments.length, path.length);
  return segments.slice(0, common).every((segment, index) => segment === path[index]);
}
