import { isPosition, MAX_JSON_DEPTH } from "../common/json-text.ts";
import { BridgeError } from "../errors.ts";
import type { BucketDocument } from "./bucket-document.ts";
import { Document, type DocumentEntry } from "./document.ts";

/**
 * A read-only view of one bucket, as it was at one version of the store. It can be kept for as long as its
 * snapshot is held; afterwards every read throws `STORE_TRANSACTION`.
 */
export interface BucketView {
  /** The revision up to which the bucket had been followed. */
  readonly revision: number;
  /** The entry of exactly this key. */
  entry(key: string): DocumentEntry | undefined;
  /** The JSON text of the document at `path`; undefined where there is nothing. */
  text(path?: readonly string[]): string | undefined;
  /** Every key with its entry. Reads them all at once: what is iterated later is of this version too. */
  entries(): [key: string, entry: DocumentEntry][];
}

/**
 * The store as it was when the snapshot was taken, whatever commits meanwhile. Holding it costs memory for
 * what has changed since, not for the data. Release it when done.
 */
export interface StoreSnapshot extends Disposable {
  /** The store's version that it shows. */
  readonly version: number;
  /** A bucket that was mounted at this version. Throws `STORE_TRANSACTION` once released. */
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

/** What a snapshot sees of a bucket: a document, but for the entries that have changed since, the oldest change first. */
interface Past {
  readonly document: BucketDocument;
  readonly undos: readonly Undo[];
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

  /** How many replaced entries are kept for the snapshots that are open, those of replaced documents included. */
  get retained(): number {
    let count = 0;
    for (const { undo } of this.#epochs) {
      for (const { entries, replaced } of undo.values()) {
        count += entries.size + (replaced?.document?.keys ?? 0);
      }
    }
    return count;
  }

  take(version: number): StoreSnapshot {
    let epoch = this.#epochs.at(-1);
    // A bucket's revision can move on without a new version; then the epoch is not of now either.
    if (epoch === undefined || epoch.undo.size > 0) {
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
    const past = (bucket: string): Past | undefined => {
      if (released) throw releasedError(version);
      return this.#past(held, bucket);
    };
    return {
      version,
      bucket: (name) => past(name) && viewOf(() => past(name)!),
      release,
      [Symbol.dispose]: release,
    };
  }

  /** To be told before the keys of a mounted bucket change, or only its revision. */
  recordRevision(bucket: string): void {
    this.#newestUndo(bucket);
  }

  /** To be told which entry a key of a mounted bucket has lost. */
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

  #past(epoch: Epoch, bucket: string): Past | undefined {
    const undos: Undo[] = [];
    let document = this.#live(bucket);
    for (let index = this.#epochs.indexOf(epoch); index < this.#epochs.length; index++) {
      const undo = this.#epochs[index]!.undo.get(bucket);
      if (undo === undefined) continue;
      undos.push(undo);
      if (undo.replaced !== undefined) {
        document = undo.replaced.document;
        break;
      }
    }
    return document && { document, undos };
  }
}

/** Commits go on while a view is kept, so it asks for the past anew at each read. */
function viewOf(past: () => Past): BucketView {
  return {
    get revision() {
      const { document, undos } = past();
      return undos[0]?.revision ?? document.revision;
    },
    entry: (key) => entryOf(past(), key),
    entries: () => [...entriesOf(past())],
    text(path = []) {
      const now = past();
      if (now.undos.length === 0) return now.document.text(path);
      const within = decisive(now, path);
      if (now.undos.every(({ entries }) => !some(entries, within))) return now.document.text(path);
      const then = new Document();
      for (const [key, { text, revision }] of entriesOf(now, within)) {
        then.put(key, text, revision);
      }
      return then.text(path);
    },
  };
}

/** An entry as a snapshot sees it. */
function entryOf({ document, undos }: Past, key: string): DocumentEntry | undefined {
  const undo = undos.find(({ entries }) => entries.has(key));
  return undo === undefined ? document.entry(key) : undo.entries.get(key);
}

/**
 * The keys above, at and under this path decide what stands at `path`. It is shorter where a value above may
 * hold an array to be followed into: any key under the array, also one beside the path, hides its elements.
 */
function decisive(past: Past, path: readonly string[]): readonly string[] {
  let valueAbove = false;
  // The path may come from anybody; no key and no value goes deeper than this.
  for (let length = 1; length < Math.min(path.length, MAX_JSON_DEPTH); length++) {
    const above = path.slice(0, length);
    valueAbove ||= entryOf(past, above.join(".")) !== undefined;
    if (valueAbove && isPosition(path[length]!)) return above;
  }
  return path;
}

/** The entries that a snapshot sees, or only those that decide what stands at `path`. */
function* entriesOf(
  { document, undos }: Past,
  path: readonly string[] = [],
): Generator<[string, DocumentEntry]> {
  const replaced = new Map<string, DocumentEntry | undefined>();
  // The oldest change of a key tells what it was at first.
  for (const { entries } of undos.toReversed()) {
    for (const [key, entry] of entries) if (concerns(key, path)) replaced.set(key, entry);
  }
  for (const pair of document.entries(path)) if (!replaced.has(pair[0])) yield pair;
  for (const [key, entry] of replaced) if (entry !== undefined) yield [key, entry];
}

function some(entries: Undo["entries"], path: readonly string[]): boolean {
  for (const key of entries.keys()) if (concerns(key, path)) return true;
  return false;
}

/** Whether a key decides what stands at `path`: it is above, at or under it. */
function concerns(key: string, path: readonly string[]): boolean {
  const segments = key.split(".");
  const common = Math.min(segments.length, path.length);
  return segments.slice(0, common).every((segment, index) => segment === path[index]);
}

function releasedError(version: number): BridgeError {
  return new BridgeError(
    "STORE_TRANSACTION",
    `The snapshot of version ${version} has been released; take a new one.`,
  );
}
