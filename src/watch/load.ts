import type { BucketEntry } from "../nats/bucket-source.ts";
import type { BucketDocument, KeyChange } from "../store/bucket-document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { Owner, WriteTransaction } from "../store/transaction.ts";
import { decodeValue } from "../store/value.ts";
import { differences } from "./repair.ts";

/**
 * A whole bucket on its way into the store: everything that a stream has said until the store takes it over.
 * Then its life in the store begins, and this object is done with.
 */
export interface Load {
  readonly kind: "first" | "again";
  readonly keys: number;
  /** Characters of keys and values. */
  readonly bytes: number;
  apply(change: KeyChange): void;
  /** Notes how far the bucket has been followed. */
  followed(revision: number): void;
  /**
   * Lets the store's readers get ready, which may take a while; nothing may be applied from then on. The answer
   * undoes it for a load that is not staged after all.
   */
  prepare(): Promise<() => void>;
  /** Makes the bucket in the store equal to what was loaded. */
  stage(tx: WriteTransaction): void;
}

/** The first load is a document of its own, which nobody sees before it is mounted. */
export class FirstLoad implements Load {
  readonly kind = "first";
  readonly #store: PolicyStore;
  readonly #bucket: string;
  readonly #owner: Owner;
  readonly #document: BucketDocument;

  constructor(store: PolicyStore, bucket: string, owner: Owner) {
    this.#store = store;
    this.#bucket = bucket;
    this.#owner = owner;
    this.#document = store.createDocument(bucket);
  }

  get keys(): number {
    return this.#document.keys;
  }

  get bytes(): number {
    return this.#document.bytes;
  }

  apply(change: KeyChange): void {
    this.#document.apply(change);
  }

  followed(revision: number): void {
    this.#document.followed(revision);
  }

  prepare(): Promise<() => void> {
    return this.#store.prepare(this.#bucket, this.#document);
  }

  stage(tx: WriteTransaction): void {
    tx.mount(this.#bucket, this.#owner, this.#document);
  }
}

/** A load after a gap: what it holds is compared with what is mounted, and only the differences go in. */
export class Reload implements Load {
  readonly kind = "again";
  readonly #store: PolicyStore;
  readonly #bucket: string;
  readonly #owner: Owner;
  readonly #snapshot = new Map<string, KeyChange>();
  #bytes = 0;
  #revision = 0;

  constructor(store: PolicyStore, bucket: string, owner: Owner) {
    this.#store = store;
    this.#bucket = bucket;
    this.#owner = owner;
  }

  get keys(): number {
    return this.#snapshot.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  apply(change: KeyChange): void {
    const { key, value, refused } = change;
    this.#bytes += sizeOf(change) - sizeOf(this.#snapshot.get(key));
    if (value === undefined && refused === undefined) this.#snapshot.delete(key);
    else this.#snapshot.set(key, change);
  }

  followed(revision: number): void {
    this.#revision = revision;
  }

  prepare(): Promise<() => void> {
    return Promise.resolve(() => undefined);
  }

  stage(tx: WriteTransaction): void {
    const document = this.#store.bucket(this.#bucket);
    if (document === undefined) return;
    const repairs = differences(document, this.#snapshot, this.#revision);
    tx.change(this.#bucket, this.#owner, repairs, this.#revision);
  }
}

function sizeOf(change: KeyChange | undefined): number {
  return change?.value === undefined ? 0 : change.key.length + change.value.text.length;
}

/** What an entry changes, with its value as policies see it. */
export function changeOf({ key, operation, data, revision }: BucketEntry): KeyChange {
  if (operation === "delete") return { key, revision };
  if (key.includes("\ufffd")) return { key, revision, refused: "its name is not UTF-8" };
  const value = decodeValue(data, segmentsOf(key));
  return "refused" in value ? { key, revision, refused: value.refused } : { key, revision, value };
}

function segmentsOf(key: string): number {
  let segments = 1;
  for (let dot = key.indexOf("."); dot >= 0; dot = key.indexOf(".", dot + 1)) segments++;
  return segments;
}
