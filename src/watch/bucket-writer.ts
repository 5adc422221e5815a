import { setImmediate as nextTurn } from "node:timers/promises";
import type { KeyChange } from "../store/bucket-document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { Commit, Owner, WriteTransaction } from "../store/transaction.ts";
import type { MemoryBudget } from "./budget.ts";
import { FirstLoad, type Load, Reload } from "./load.ts";

export interface BucketWriterOptions {
  readonly bucket: string;
  /** In whose name the bucket is mounted and changed. */
  readonly owner: Owner;
  readonly store: PolicyStore;
  readonly budget: MemoryBudget;
  /** Once it aborts nothing is written any more. */
  readonly signal: AbortSignal;
  /** Told after each commit what was committed, and with which load. */
  readonly onCommitted: (commit: Commit | undefined, load: Load | undefined) => void;
  /** Told why what was heard can't be written. */
  readonly onFailed: (error: unknown) => void;
}

/** Changes that one transaction makes at most, so that many at once hold nobody up. */
const MAX_CHANGES = 250;

/** Puts what is heard of one bucket into the store, in order: whole loads, then the changes that follow them. */
export class BucketWriter {
  readonly #options: BucketWriterOptions;
  /** A whole bucket that is not in the store yet; what follows it goes into it, until the store takes it over. */
  #load: Load | undefined;
  /** What has been heard since, and is not committed yet, in order. */
  readonly #changes: KeyChange[] = [];
  #committing: Promise<void> | undefined;
  /** Whether the bucket's document in the store is this writer's. */
  #mounted = false;

  constructor(options: BucketWriterOptions) {
    this.#options = options;
  }

  /** Resolves when nothing is on its way into the store; never rejects. */
  get written(): Promise<void> {
    return this.#committing ?? Promise.resolve();
  }

  /** Whether everything that was heard is in the store. */
  get isIdle(): boolean {
    return this.#committing === undefined;
  }

  /** A load to be filled: what the bucket's next commit makes it equal to. */
  newLoad(): Load {
    const { store, bucket, owner } = this.#options;
    return this.#mounted ? new Reload(store, bucket, owner) : new FirstLoad(store, bucket, owner);
  }

  /** Adds to a load. Throws `BUCKET_OVER_BUDGET`. */
  add(load: Load, change: KeyChange): void {
    load.apply(change);
    // While a bucket is loaded again there are two copies of it; the larger one is what it needs.
    const { store, budget, bucket, owner } = this.#options;
    const mounted = load.kind === "again" ? store.bucket(bucket) : undefined;
    const keys = Math.max(load.keys, mounted?.keys ?? 0);
    budget.use(owner, bucket, keys, Math.max(load.bytes, mounted?.bytes ?? 0));
  }

  /** Takes over a load that is complete up to this revision. */
  loaded(load: Load, revision: number): void {
    load.followed(revision);
    this.#load = load;
    this.#commitSoon();
  }

  /** Writes a change that follows. Throws `BUCKET_OVER_BUDGET`. */
  change(change: KeyChange): void {
    if (this.#load === undefined) {
      this.#changes.push(change);
      this.#commitSoon();
      return;
    }
    try {
      this.add(this.#load, change);
      this.#load.followed(change.revision);
    } catch (error) {
      // What may not be there as a whole is not shown in part.
      this.#load = undefined;
      throw error;
    }
  }

  /** Takes the bucket out of sight, after what is on its way; resolves when that is done. */
  async unmount(): Promise<void> {
    await this.#committing;
    const { store, bucket, owner } = this.#options;
    await store.transact((tx) => tx.unmount(bucket, owner));
    this.#mounted = false;
  }

  #commitSoon(): void {
    this.#committing ??= this.#commitAll();
  }

  /** Commits what has been heard, batch by batch, until nothing is left. */
  async #commitAll(): Promise<void> {
    const { store, signal, bucket, owner, budget } = this.#options;
    // One turn of the microtask queue gathers what the socket delivered in one piece.
    await Promise.resolve();
    try {
      while (!signal.aborted && (this.#load !== undefined || this.#changes.length > 0)) {
        const load = this.#load;
        // The store's readers get ready for the load as it is now; what follows it from here on is kept apart.
        this.#load = undefined;
        const undo = await load?.prepare();
        try {
          const commit = await store.transact((tx) => {
            if (!signal.aborted) this.#stage(tx, load);
          });
          const document = store.bucket(bucket);
          if (!signal.aborted && document !== undefined) {
            this.#mounted = true;
            this.#options.onCommitted(commit, load);
            budget.use(owner, bucket, document.keys, document.bytes);
          }
        } finally {
          // Does nothing where the load is in the store.
          undo?.();
        }
        if (this.#changes.length > 0) await nextTurn();
      }
    } catch (error) {
      this.#options.onFailed(error);
    } finally {
      // In the same breath as the last look at what is left, so that nothing can come in between.
      this.#committing = undefined;
    }
  }

  /** A load as the store's readers are ready for it, then what has followed it meanwhile, all at once. */
  #stage(tx: WriteTransaction, load: Load | undefined): void {
    const { bucket, owner } = this.#options;
    load?.stage(tx);
    const changes = this.#changes.splice(0, MAX_CHANGES);
    if (changes.length > 0) tx.change(bucket, owner, changes);
  }
}
