import type { BucketDocument, KeyChange } from "./bucket-document.ts";

/** Whoever mounts a bucket owns its data until it unmounts it, or another owner mounts the bucket anew. */
export type Owner = object;

/** What a transaction does to a bucket when it commits. */
export type Operation =
  | { readonly type: "mount"; bucket: string; owner: Owner; document: BucketDocument }
  | {
      readonly type: "change";
      bucket: string;
      owner: Owner;
      changes: readonly KeyChange[];
      revision: number | undefined;
    }
  | { readonly type: "unmount"; bucket: string; owner: Owner };

/** Collects operations; nothing of them can be seen before the commit. */
export interface WriteTransaction {
  /**
   * Makes a bucket visible with this document, in the place of what may be there. The document belongs to the
   * store from then on; commit fails with `STORE_CONFLICT` when it has been mounted before.
   */
  mount(bucket: string, owner: Owner, document: BucketDocument): void;
  /**
   * Changes keys of a mounted bucket. `revision` (default: that of the last change) is how far the bucket has
   * been followed. Commit fails with `STORE_CONFLICT` when the bucket is not this owner's.
   */
  change(bucket: string, owner: Owner, changes: readonly KeyChange[], revision?: number): void;
  /** Takes a bucket out of sight. Does nothing when the bucket is not this owner's (any more). */
  unmount(bucket: string, owner: Owner): void;
}

/** A transaction that its caller ends. The store's writers wait until it has ended. */
export interface OpenTransaction extends WriteTransaction {
  /** Makes everything visible at once. Throws `STORE_CONFLICT` (nothing is done) or `STORE_TRANSACTION` (ended before). */
  commit(): Commit | undefined;
  /** Ends the transaction without a trace. Safe to call any number of times, and after a commit. */
  abort(): void;
}

/**
 * One difference that a commit made. Values are JSON texts.
 *
 * - `mount`: the bucket came into sight, with this document, in the place of what may have been there.
 * - `put`: the key has this value, since this revision.
 * - `delete`: the key has no value any more, since this revision.
 * - `unmount`: the bucket went out of sight.
 */
export type Change =
  | { readonly type: "mount"; bucket: string; document: BucketDocument }
  | { readonly type: "put"; bucket: string; key: string; text: string; revision: number }
  | { readonly type: "delete"; bucket: string; key: string; revision: number }
  | { readonly type: "unmount"; bucket: string };

/** What one transaction changed. Commits are numbered without gaps, and announced in order. */
export interface Commit {
  /** One more than that of the commit before. */
  readonly version: number;
  /** In the order in which they were made. */
  readonly changes: readonly Change[];
}
