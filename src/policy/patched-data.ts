import { type Slices, slices } from "../common/slices.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import type { BucketDocument } from "../store/bucket-document.ts";
import { type PlacedPart, topOf } from "../store/document.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { Change, Commit } from "../store/transaction.ts";
import type { ResidentFigures } from "./active-policy.ts";
import type { BaseData } from "./base-data.ts";
import { stageBase } from "./base-staging.ts";
import { overBudget } from "./over-budget.ts";
import { DataHeap } from "./data-heap.ts";
import { parentsFirst } from "./patch-order.ts";
import { LOAD_SHARE } from "./policy-memory.ts";
import { contradiction, pathsOf, Staging } from "./staging.ts";
import { Sweeper } from "./sweeper.ts";
import { ReplacedData, type ResidentData } from "./resident-data.ts";
import type { WasmInstance } from "./wasm-instance.ts";

export interface PatchedDataOptions {
  readonly instance: WasmInstance;
  readonly store: PolicyStore;
  /** What the bundles bring; the root bucket has no say where it stands. */
  readonly base: BaseData;
  /** Runs what takes long. Default: the process's own. */
  readonly slices?: Slices | undefined;
  /** Told when a change did not fit in; the bucket must go. */
  readonly onOverBudget?: (bucket: string, reason: BridgeError) => void;
  /** Told when a new instance would do better: patching has failed, or the memory is too fragmented. */
  readonly onWornOut?: (reason: string) => void;
}

/** Changes are refused above this share of the memory: evaluations need room too. */
const CHANGE_SHARE = 0.92;
/**
 * Where there are many holes, not all freed memory is used again (see `DataHeap`). The data is put into a new
 * instance once changes have made it grow by this share, and by at least so many bytes.
 */
const WORN_SHARE = 0.2;
const WORN_BYTES = 1024 * 1024;

/**
 * Resident data patched in place: each commit of the store becomes patches, at once, in time proportional to the
 * change. Loads are staged in slices beside the visible data and become visible by one link.
 */
export class PatchedData implements ResidentData {
  readonly #options: PatchedDataOptions;
  readonly #heap: DataHeap;
  readonly #slices: Slices;
  readonly #sweeper: Sweeper;
  readonly #kv: number;
  readonly #baseNames: ReadonlySet<string>;
  readonly #staged = new Map<BucketDocument, Staging>();
  /** The documents that are linked, and where the bucket's object is. */
  readonly #linked = new Map<
    string,
    { readonly document: BucketDocument; readonly address: number }
  >();
  readonly #unsubscribe: readonly (() => void)[];
  /** Bytes by which changes, not loads, have moved the data's end. */
  #grown = 0;
  /** The growth that was last reported. */
  #reported = 0;
  #closed = false;
  /** Takes over when patching has failed. */
  #replacement: ReplacedData | undefined;

  constructor(options: PatchedDataOptions) {
    this.#options = options;
    const { instance, store, base } = options;
    this.#baseNames = base.names;
    instance.setData('{"nats":{"kv":{}}}');
    this.#heap = new DataHeap(instance);
    this.#slices = options.slices ?? slices;
    this.#sweeper = new Sweeper(this.#heap, this.#slices);
    this.#kv = this.#heap.session(() => {
      const kv = this.#heap.parse("{}");
      this.#heap.link(instance.dataAddress, ["nats", "kv"], kv);
      return kv;
    });
    this.#unsubscribe = [
      store.onPrepare((bucket, document) => this.#prepare(bucket, document)),
      store.onCommit((commit) => this.#commit(commit)),
    ];
  }

  async load(): Promise<void> {
    const { store, base, instance } = this.#options;
    const linkBase = await stageBase(this.#heap, this.#slices, base, instance);
    this.#change(linkBase);
    for (const bucket of store.buckets()) {
      const document = store.bucket(bucket);
      if (document === undefined || this.#linked.has(bucket)) continue;
      const staging = await this.#stage(bucket, document);
      // It may have been replaced or taken away meanwhile; whoever did has told us.
      if (store.bucket(bucket) === document) this.#change(() => this.#link(staging));
      else this.#discard(staging);
    }
  }

  sync(): void {
    this.#replacement?.sync();
  }

  figures(): ResidentFigures {
    return (
      this.#replacement?.figures() ?? {
        mode: "patched",
        heapBytes: this.#heap.end,
        maxBytes: this.#options.instance.memory.maxBytes,
        wasteObjects: this.#sweeper.size,
      }
    );
  }

  /** Whether nothing in this memory is patched any more. */
  get #isDone(): boolean {
    return this.#closed || this.#replacement !== undefined;
  }

  close(): void {
    this.#closed = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#sweeper.stop();
  }

  async #prepare(bucket: string, document: BucketDocument): Promise<() => void> {
    if (this.#isDone) return () => undefined;
    const staging = await this.#stage(bucket, document);
    return () => this.#discard(staging);
  }

  /** Puts a document into memory beside the visible data, a slice at a time. */
  async #stage(bucket: string, document: BucketDocument): Promise<Staging> {
    const staging = this.#newStaging(bucket, document);
    this.#staged.set(document, staging);
    try {
      await this.#slices.run((end) => {
        if (this.#isDone || staging.discarded) return true;
        const done = this.#heap.session(() => staging.slice(end));
        this.#refuseWhenFull(bucket, LOAD_SHARE);
        return done;
      });
    } catch (error) {
      this.#discard(staging);
      throw overBudget(bucket, error);
    }
    return staging;
  }

  #newStaging(bucket: string, document: BucketDocument): Staging {
    const isRoot = bucket === this.#options.store.rootBucket;
    const parts = isRoot ? this.#besideBase(document.parts()) : document.parts();
    return new Staging(this.#heap, bucket, document, parts, isRoot);
  }

  /** The root bucket may hold what another bundle, before or after this one, lets it have. */
  *#besideBase(parts: Iterable<PlacedPart>): Generator<PlacedPart> {
    for (const part of parts) if (!this.#baseNames.has(topOf(part))) yield part;
  }

  #discard(staging: Staging): void {
    if (staging.discarded || this.#staged.get(staging.document) !== staging) return;
    staging.discarded = true;
    this.#staged.delete(staging.document);
    if (this.#isDone) return;
    for (const [top, address] of staging.tops) {
      this.#sweeper.add(address, staging.pathsUnder(top));
    }
  }

  #commit({ changes }: Commit): void {
    if (this.#replacement !== undefined) return;
    const before = this.#heap.end;
    this.#change(() => {
      for (const change of parentsFirst(changes)) this.#apply(change);
    });
    if (changes.every(({ type }) => type === "put" || type === "delete")) {
      this.#grown += this.#heap.end - before;
    }
    this.#reportWhenWorn();
    this.#reportWhenFull(changes);
  }

  /** Runs changes of the visible data; when they fail, replacement takes over, which can't be half done. */
  #change(change: () => void): void {
    try {
      this.#heap.session(change);
    } catch (error) {
      const { instance, store, base, onWornOut } = this.#options;
      this.#staged.clear();
      this.#sweeper.stop();
      this.#replacement = new ReplacedData(instance, store, base);
      onWornOut?.(messageOf(error));
    }
  }

  #apply(change: Change): void {
    const { bucket } = change;
    switch (change.type) {
      case "mount":
        return this.#mount(bucket, change.document);
      case "unmount":
        return this.#unlink(bucket);
      case "put":
      case "delete":
        return this.#patch(bucket, change.key);
    }
  }

  #mount(bucket: string, document: BucketDocument): void {
    const staging = this.#staged.get(document) ?? this.#stageAtOnce(bucket, document);
    this.#link(staging);
  }

  /** For documents that nobody prepared. */
  #stageAtOnce(bucket: string, document: BucketDocument): Staging {
    const staging = this.#newStaging(bucket, document);
    staging.slice(Infinity);
    return staging;
  }

  #link({ bucket, document, tops, dirty }: Staging): void {
    const { instance, store } = this.#options;
    this.#unlink(bucket);
    this.#staged.delete(document);
    let address = instance.dataAddress;
    if (bucket === store.rootBucket) {
      for (const [top, value] of tops) this.#heap.link(address, [top], value);
    } else {
      address = tops.get("") ?? this.#heap.parse("{}");
      this.#heap.link(this.#kv, [bucket], address);
    }
    this.#linked.set(bucket, { document, address });
    const changed = [...dirty].map((key) => ({
      type: "delete" as const,
      bucket,
      key,
      revision: 0,
    }));
    for (const change of parentsFirst(changed)) this.#apply(change);
  }

  #unlink(bucket: string): void {
    const linked = this.#linked.get(bucket);
    if (linked === undefined) return;
    this.#linked.delete(bucket);
    if (bucket !== this.#options.store.rootBucket) {
      // What is removed here is an empty object; what it held is freed in slices.
      const content = this.#heap.takeContent(linked.address);
      if (content !== undefined) this.#sweeper.add(content, pathsOf(linked.document));
      this.#heap.remove(this.#kv, [bucket]);
      return;
    }
    const tops = new Set<string>();
    for (const part of linked.document.parts()) tops.add(topOf(part));
    for (const top of tops) {
      if (!this.#baseNames.has(top)) this.#heap.remove(linked.address, [top]);
    }
  }

  #patch(bucket: string, key: string): void {
    const linked = this.#linked.get(bucket);
    if (linked === undefined) {
      const document = this.#options.store.bucket(bucket);
      if (document !== undefined) this.#staged.get(document)?.dirty.add(key);
      return;
    }
    const { path, text } = linked.document.partAt(key);
    if (bucket === this.#options.store.rootBucket && this.#baseNames.has(path[0]!)) return;
    if (text === undefined) this.#heap.remove(linked.address, path);
    else if (!this.#heap.put(linked.address, path, text)) throw contradiction(path);
  }

  #refuseWhenFull(bucket: string, share: number): void {
    const { maxBytes } = this.#options.instance.memory;
    if (this.#heap.end <= maxBytes * share) return;
    throw new BridgeError(
      "BUCKET_OVER_BUDGET",
      `Bucket ${quote(bucket)} does not fit into the policy's memory of ${maxBytes} bytes; raise plugins.nats.max_policy_memory, or watch fewer or smaller buckets.`,
    );
  }

  #reportWhenWorn(): void {
    const kept = this.#heap.end - this.#grown;
    // Told again when it has doubled: the renewal that was asked for may have failed.
    const limit = Math.max(WORN_BYTES, kept * WORN_SHARE, this.#reported * 2);
    if (this.#grown < limit) return;
    this.#reported = this.#grown;
    this.#options.onWornOut?.(`changes have made it grow by ${this.#grown} bytes`);
  }

  #reportWhenFull(changes: readonly Change[]): void {
    const last = changes.findLast(({ type }) => type === "put");
    if (last === undefined) return;
    try {
      this.#refuseWhenFull(last.bucket, CHANGE_SHARE);
    } catch (error) {
      this.#options.onOverBudget?.(last.bucket, error as BridgeError);
    }
  }
}
