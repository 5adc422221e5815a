import { Mutex } from "async-mutex";
import { objectText } from "../common/json-text.ts";
import { BridgeError } from "../errors.ts";
import { BucketDocument, type Difference } from "./bucket-document.ts";
import { checkOwners, type Slot } from "./owners.ts";
import { ReservedPaths } from "./reserved-paths.ts";
import { SnapshotLog, type StoreSnapshot } from "./snapshot.ts";
import type {
  Change,
  Commit,
  OpenTransaction,
  Operation,
  WriteTransaction,
} from "./transaction.ts";

/** Called for each commit, in order, before anybody else can write. Must not throw. */
export type CommitListener = (commit: Commit) => void;

/**
 * Called before a bucket is mounted, to get ready for its document, which stays as it is meanwhile. May take its
 * time; when it rejects, the bucket is not mounted. The answer undoes it, for a bucket that is not mounted
 * after all; it does nothing once the bucket was mounted.
 */
export type MountPreparer = (bucket: string, document: BucketDocument) => Promise<() => void>;

/** Of a {@link PolicyStore}. */
export interface PolicyStoreOptions {
  /** The bucket whose keys stand at the top of `data`; every other one stands at `data.nats.kv.<bucket>`. */
  readonly rootBucket?: string | undefined;
  /** Told what a commit listener threw. The commit stands. Default: ignored. */
  readonly onListenerError?: (error: unknown) => void;
}

/**
 * The buckets that policies see, with transactions (one writer at a time, readers never wait and are never
 * waited for) and snapshots. It knows neither who writes nor who reads.
 */
export class PolicyStore {
  /** The bucket at the top of `data`; undefined where there is none. */
  readonly rootBucket: string | undefined;
  readonly #slots = new Map<string, Slot>();
  readonly #writers = new Mutex();
  readonly #snapshots = new SnapshotLog((bucket) => this.#slots.get(bucket)?.document);
  readonly #listeners = new Set<CommitListener>();
  readonly #preparers = new Set<MountPreparer>();
  /** Every document that has ever been mounted: a snapshot may still read it, so it can't be mounted again. */
  readonly #mounted = new WeakSet<BucketDocument>();
  readonly #onListenerError: (error: unknown) => void;
  #reserved = ReservedPaths.none;
  #version = 0;

  constructor(options: PolicyStoreOptions = {}) {
    this.rootBucket = options.rootBucket === "" ? undefined : options.rootBucket;
    this.#onListenerError = options.onListenerError ?? (() => undefined);
  }

  /** The number of the last commit; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /**
   * From now on the root bucket may not touch these paths of `data`, because policies or bundle data stand there:
   * keys that would are refused, and those that need not be any more come back, in one commit. `then` is called in
   * the same step.
   */
  async reserve(paths: ReservedPaths, then: () => void = () => undefined): Promise<void> {
    const release = await this.#writers.acquire();
    try {
      this.#reserved = paths;
      const bucket = this.rootBucket;
      const document = bucket === undefined ? undefined : this.bucket(bucket);
      if (bucket !== undefined && document !== undefined) {
        this.#announce(this.#judge(bucket, document));
      }
      then();
    } finally {
      release();
    }
  }

  /** An empty document for a bucket, with the rules that hold where it will be mounted. */
  createDocument(bucket: string): BucketDocument {
    if (bucket !== this.rootBucket) return new BucketDocument();
    return new BucketDocument((key) => this.#reserved.conflictWith(key));
  }

  /** Whether policies see this bucket. Answers at once, whatever is being written. */
  hasBucket(bucket: string): boolean {
    return this.#slots.has(bucket);
  }

  /** A mounted bucket as it is now. Read it before the next `await`: it changes with every commit. */
  bucket(bucket: string): BucketDocument | undefined {
    return this.#slots.get(bucket)?.document;
  }

  /** The names of the mounted buckets. */
  buckets(): string[] {
    return [...this.#slots.keys()];
  }

  /** The JSON text of the watched data at a path of `data`, or undefined where there is none. */
  text(path: readonly string[]): string | undefined {
    const [top, second, bucket, ...rest] = path;
    const root = this.rootBucket === undefined ? undefined : this.bucket(this.rootBucket);
    if (top === undefined) {
      const kv = `"nats":{"kv":${this.#bucketsText()}}`;
      const own = root?.text() ?? "{}";
      return own === "{}" ? `{${kv}}` : `{${kv},${own.trimStart().slice(1)}`;
    }
    if (top !== "nats") return root?.text(path);
    if (second === undefined) return `{"kv":${this.#bucketsText()}}`;
    if (second !== "kv") return undefined;
    if (bucket === undefined) return this.#bucketsText();
    return bucket === this.rootBucket ? undefined : this.bucket(bucket)?.text(rest);
  }

  /** The store as it is now, for as long as the snapshot is held. */
  snapshot(): StoreSnapshot {
    return this.#snapshots.take(this.#version);
  }

  /** How many versions and replaced entries are kept for open snapshots; zeros when none is open. */
  get snapshotCost(): {
    /** Versions that snapshots are held of. */
    versions: number;
    /** Entries that were replaced since, and are kept for them. */
    entries: number;
  } {
    return { versions: this.#snapshots.size, entries: this.#snapshots.retained };
  }

  /** Calls the listener for each commit from now on; the answer ends that. */
  onCommit(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Asks the preparer before each mount from now on; the answer ends that. */
  onPrepare(preparer: MountPreparer): () => void {
    this.#preparers.add(preparer);
    return () => void this.#preparers.delete(preparer);
  }

  /**
   * Lets every reader get ready for a document that will be mounted. Rejects when one can't, with what the
   * others did undone. The answer undoes all, for a document that is not mounted after all.
   */
  async prepare(bucket: string, document: BucketDocument): Promise<() => void> {
    const results = await Promise.allSettled(
      [...this.#preparers].map((preparer) => preparer(bucket, document)),
    );
    const undo = (): void => {
      for (const result of results) if (result.status === "fulfilled") result.value();
    };
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return undo;
    undo();
    throw failed.reason;
  }

  /** Waits for the writers before, and answers with a transaction that must be committed or aborted. */
  async begin(): Promise<OpenTransaction> {
    const release = await this.#writers.acquire();
    const operations: Operation[] = [];
    let open = true;
    const end = (): void => {
      open = false;
      release();
    };
    const add = (operation: Operation): void => {
      if (!open) throw ended();
      operations.push(operation);
    };
    return {
      mount: (bucket, owner, document) => add({ type: "mount", bucket, owner, document }),
      change: (bucket, owner, changes, revision = changes.at(-1)?.revision) =>
        add({ type: "change", bucket, owner, changes, revision }),
      unmount: (bucket, owner) => add({ type: "unmount", bucket, owner }),
      commit: () => {
        if (!open) throw ended();
        try {
          return this.#commit(operations);
        } finally {
          end();
        }
      },
      abort: () => {
        if (open) end();
      },
    };
  }

  /**
   * Runs `write` as one transaction: committed when it returns, without a trace when it throws. The answer is
   * the commit, or undefined when nothing differs after it.
   */
  async transact(
    write: (transaction: WriteTransaction) => void | Promise<void>,
  ): Promise<Commit | undefined> {
    const transaction = await this.begin();
    try {
      await write(transaction);
      return transaction.commit();
    } finally {
      transaction.abort();
    }
  }

  #bucketsText(): string {
    const others = [...this.#slots].filter(([bucket]) => bucket !== this.rootBucket);
    return objectText(others.map(([bucket, { document }]) => [bucket, document.text()!]));
  }

  #commit(operations: readonly Operation[]): Commit | undefined {
    checkOwners(operations, this.#slots, this.#mounted);
    return this.#announce(operations.flatMap((operation) => this.#apply(operation)));
  }

  #announce(changes: readonly Change[]): Commit | undefined {
    if (changes.length === 0) return undefined;
    const commit: Commit = { version: ++this.#version, changes };
    for (const listener of this.#listeners) {
      try {
        listener(commit);
      } catch (error) {
        this.#tellListenerError(error);
      }
    }
    return commit;
  }

  #tellListenerError(error: unknown): void {
    try {
      this.#onListenerError(error);
    } catch {
      // There is nobody left to tell, and the commit stands.
    }
  }

  #apply(operation: Operation): Change[] {
    const { bucket, owner } = operation;
    const slot = this.#slots.get(bucket);
    switch (operation.type) {
      case "mount":
        this.#snapshots.recordDocument(bucket, slot?.document);
        this.#mounted.add(operation.document);
        this.#slots.set(bucket, { owner, document: operation.document });
        // What may stand in it can have changed since it was filled.
        return [
          { type: "mount", bucket, document: operation.document },
          ...(bucket === this.rootBucket ? this.#judge(bucket, operation.document) : []),
        ];
      case "unmount":
        if (slot?.owner !== owner) return [];
        this.#snapshots.recordDocument(bucket, slot.document);
        this.#slots.delete(bucket);
        return [{ type: "unmount", bucket }];
      case "change": {
        const { document } = slot!;
        const changes: Change[] = [];
        this.#snapshots.recordRevision(bucket);
        for (const change of operation.changes) {
          const { key, revision } = change;
          const difference = document.apply(change);
          if (difference !== undefined) {
            changes.push(this.#recorded(bucket, key, revision, difference));
          }
        }
        if (operation.revision !== undefined) document.followed(operation.revision);
        return changes;
      }
    }
  }

  /** The keys of the root bucket that may not stand in it any more, or may again. */
  #judge(bucket: string, document: BucketDocument): Change[] {
    return document
      .judge(this.#reserved.paths)
      .map(({ key, revision, ...difference }) => this.#recorded(bucket, key, revision, difference));
  }

  #recorded(bucket: string, key: string, revision: number, difference: Difference): Change {
    this.#snapshots.recordEntry(bucket, key, difference.previous);
    return difference.current === undefined
      ? { type: "delete", bucket, key, revision }
      : { type: "put", bucket, key, text: difference.current.text, revision };
  }
}

function ended(): BridgeError {
  return new BridgeError(
    "STORE_TRANSACTION",
    "This transaction has already been committed or aborted; begin a new one.",
  );
}
