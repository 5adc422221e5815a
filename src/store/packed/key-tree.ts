import { randomInt } from "node:crypto";
import { ChunkedInts } from "./chunked-ints.ts";
import { RecordLog, type RecordOwners } from "./record-log.ts";
import { TreeWalk } from "./tree-walk.ts";

/** No node: the tree's root has this number, and is nobody's child. */
export const NONE = 0;

// A node's fields. Its children are in a ring by way of PREVIOUS: the first one's is the last one. Nodes with the
// same hash bucket are in a chain.
const PARENT = 0;
const CHAIN = 1;
const FIRST = 2;
const NEXT = 3;
const PREVIOUS = 4;
const COUNT = 5;
const HASH = 6;
const PLACE = 7;
const FIELD_BITS = 3;
/** The place of a node that was removed. */
const NO_PLACE = -1;

/** Not known to those who choose names: they can't choose such that fall into one bucket. */
const SEED = randomInt(2 ** 31);

/**
 * A tree of names, in which each node may have a text and a revision, kept outside V8's heap. Children are found by
 * hashing, in a table that grows by a bucket at a time (Litwin's linear hashing), and stand in the order in which
 * they were added. A node's number is used again once the node has been removed.
 */
export class KeyTree {
  readonly #nodes = new ChunkedInts();
  readonly #buckets = new ChunkedInts();
  readonly #records: RecordLog;
  readonly #walks = new Set<WeakRef<TreeWalk>>();
  #nodeCount = 1;
  /** The first of the removed nodes, which are in a chain. */
  #removed = NONE;
  #taken = 0;
  #bucketCount = 1;
  /** The largest power of two that is not above the number of buckets. */
  #bucketPower = 1;

  constructor() {
    const owners: RecordOwners = {
      placeOf: (node) => this.#get(node, PLACE),
      moved: (node, place) => this.#set(node, PLACE, place),
    };
    this.#records = new RecordLog(owners);
  }

  /** Bytes that names, texts and revisions take, free room included. */
  get recordBytes(): number {
    return this.#records.size;
  }

  /** The child with the name that stands between two indexes of a text. */
  child(parent: number, text: string, start = 0, end: number = text.length): number {
    const hash = hashOf(parent, text, start, end);
    let node = this.#buckets.get(this.#bucketOf(hash));
    while (node !== NONE) {
      if (
        this.#get(node, HASH) === hash &&
        this.#get(node, PARENT) === parent &&
        this.#records.isNamed(this.#get(node, PLACE), text, start, end)
      )
        return node;
      node = this.#get(node, CHAIN);
    }
    return NONE;
  }

  /** Adds a child that is not there yet; without a text where that is undefined. */
  add(parent: number, name: string, text?: string, revision = 0): number {
    const node = this.#newNode();
    this.#set(node, PARENT, parent);
    this.#set(node, FIRST, NONE);
    this.#set(node, COUNT, 0);
    this.#set(node, PLACE, this.#records.add(node, name, text, revision));
    this.#append(parent, node);
    this.#hash(node, hashOf(parent, name, 0, name.length));
    return node;
  }

  /** Removes a node that has no children. Walks that would come to it next come to the one after it. */
  remove(node: number): void {
    const next = this.#get(node, NEXT);
    for (const reference of this.#walks) {
      const walk = reference.deref();
      if (walk === undefined) this.#walks.delete(reference);
      else walk.skip(node, next);
    }
    this.#unhash(node);
    this.#detach(node, next);
    this.#records.remove(this.#get(node, PLACE));
    this.#set(node, PLACE, NO_PLACE);
    this.#set(node, CHAIN, this.#removed);
    this.#removed = node;
    this.#records.tidy();
  }

  put(node: number, text: string, revision: number): void {
    this.#set(node, PLACE, this.#records.put(this.#get(node, PLACE), text, revision));
    this.#records.tidy();
  }

  /** Takes a node's text away. */
  clear(node: number): void {
    this.#records.clear(this.#get(node, PLACE));
  }

  parent(node: number): number {
    return this.#get(node, PARENT);
  }

  name(node: number): string {
    return this.#records.name(this.#get(node, PLACE));
  }

  hasText(node: number): boolean {
    return node !== NONE && this.#records.hasText(this.#get(node, PLACE));
  }

  text(node: number): string | undefined {
    return node === NONE ? undefined : this.#records.text(this.#get(node, PLACE));
  }

  /** The revision of a node that has a text. */
  revision(node: number): number {
    return this.#records.revision(this.#get(node, PLACE));
  }

  childCount(node: number): number {
    return this.#get(node, COUNT);
  }

  firstChild(node: number): number {
    return this.#get(node, FIRST);
  }

  /** The next child of the same parent. */
  next(node: number): number {
    return this.#get(node, NEXT);
  }

  /** How many walks are told of nodes that go. */
  get walks(): number {
    return this.#walks.size;
  }

  /**
   * Starts a walk through what is under a node. Nodes may come and go until it is ended. One that is left unended is
   * forgotten when V8 collects all garbage, which may be long after.
   */
  walk(node: number): TreeWalk {
    const walk: TreeWalk = new TreeWalk(this, node, () => this.#walks.delete(reference));
    const reference = new WeakRef(walk);
    this.#walks.add(reference);
    return walk;
  }

  #get(node: number, field: number): number {
    return this.#nodes.get((node << FIELD_BITS) + field);
  }

  #set(node: number, field: number, value: number): void {
    this.#nodes.set((node << FIELD_BITS) + field, value);
  }

  #newNode(): number {
    const node = this.#removed;
    if (node !== NONE) {
      this.#removed = this.#get(node, CHAIN);
      return node;
    }
    this.#nodes.ensure((this.#nodeCount + 1) << FIELD_BITS);
    return this.#nodeCount++;
  }

  #append(parent: number, node: number): void {
    const first = this.#get(parent, FIRST);
    if (first === NONE) {
      this.#set(parent, FIRST, node);
      this.#set(node, PREVIOUS, node);
    } else {
      const last = this.#get(first, PREVIOUS);
      this.#set(last, NEXT, node);
      this.#set(node, PREVIOUS, last);
      this.#set(first, PREVIOUS, node);
    }
    this.#set(node, NEXT, NONE);
    this.#set(parent, COUNT, this.#get(parent, COUNT) + 1);
  }

  #detach(node: number, next: number): void {
    const parent = this.#get(node, PARENT);
    const previous = this.#get(node, PREVIOUS);
    const first = this.#get(parent, FIRST);
    if (node === first) this.#set(parent, FIRST, next);
    else this.#set(previous, NEXT, next);
    if (next !== NONE) this.#set(next, PREVIOUS, previous);
    else if (node !== first) this.#set(first, PREVIOUS, previous);
    this.#set(parent, COUNT, this.#get(parent, COUNT) - 1);
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (this.#bucketPower * 2 - 1);
    return bucket < this.#bucketCount ? bucket : bucket & (this.#bucketPower - 1);
  }

  #hash(node: number, hash: number): void {
    this.#set(node, HASH, hash);
    if (++this.#taken > this.#bucketCount) this.#addBucket();
    this.#chain(node, this.#bucketOf(hash));
  }

  #chain(node: number, bucket: number): void {
    this.#set(node, CHAIN, this.#buckets.get(bucket));
    this.#buckets.set(bucket, node);
  }

  #unhash(node: number): void {
    this.#taken--;
    const bucket = this.#bucketOf(this.#get(node, HASH));
    const after = this.#get(node, CHAIN);
    let before = this.#buckets.get(bucket);
    if (before === node) return this.#buckets.set(bucket, after);
    while (this.#get(before, CHAIN) !== node) before = this.#get(before, CHAIN);
    this.#set(before, CHAIN, after);
  }

  /** Distributes what is in one bucket to that and a new one. */
  #addBucket(): void {
    const old = this.#bucketCount - this.#bucketPower;
    let node = this.#buckets.get(old);
    this.#buckets.set(old, NONE);
    this.#buckets.ensure(++this.#bucketCount);
    while (node !== NONE) {
      const next = this.#get(node, CHAIN);
      this.#chain(node, this.#bucketOf(this.#get(node, HASH)));
      node = next;
    }
    if (this.#bucketCount === this.#bucketPower * 2) this.#bucketPower = this.#bucketCount;
  }
}

/** Jenkins's one-at-a-time hash, of a name and the node it is under. */
function hashOf(parent: number, text: string, start: number, end: number): number {
  let hash = (SEED + parent) | 0;
  for (let index = start; index < end; index++) {
    hash = (hash + text.charCodeAt(index)) | 0;
    hash = (hash + (hash << 10)) | 0;
    hash ^= hash >>> 6;
  }
  hash = (hash + (hash << 3)) | 0;
  hash ^= hash >>> 11;
  return (hash + (hash << 15)) | 0;
}
