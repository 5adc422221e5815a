/** What is used of a Map with names for keys. */
export interface NameMap<V> extends Iterable<[string, V]> {
  readonly size: number;
  get(name: string): V | undefined;
  set(name: string, value: V): this;
  delete(name: string): boolean;
}

const SHARDS = 256;
/** A map with so many names is taken for one that gets wide. They are few enough to be moved within a millisecond. */
export const WIDE_SIZE = 512;

/**
 * A map of many names in many small ones. A Map that outgrows its table is copied to another twice as large at
 * once, which takes 20 ms at 100,000 names and keeps everything else waiting.
 */
export class WideMap<V> implements NameMap<V> {
  /** Each made when its first name comes. */
  readonly #shards: (Map<string, V> | undefined)[] = Array.from({ length: SHARDS });
  #size = 0;

  constructor(entries: Iterable<[string, V]> = []) {
    for (const [name, value] of entries) this.set(name, value);
  }

  get size(): number {
    return this.#size;
  }

  /** How many names the fullest of the small maps has. */
  get fullest(): number {
    return Math.max(...this.#shards.map((shard) => shard?.size ?? 0));
  }

  get(name: string): V | undefined {
    return this.#shards[shardOf(name)]?.get(name);
  }

  set(name: string, value: V): this {
    const shard = (this.#shards[shardOf(name)] ??= new Map());
    const before = shard.size;
    shard.set(name, value);
    this.#size += shard.size - before;
    return this;
  }

  delete(name: string): boolean {
    const deleted = this.#shards[shardOf(name)]?.delete(name) ?? false;
    if (deleted) this.#size--;
    return deleted;
  }

  *[Symbol.iterator](): Iterator<[string, V]> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard;
  }
}

/** Names that are made by counting, or at random, differ in their last characters. */
function shardOf(name: string): number {
  let hash = name.length;
  for (let index = Math.max(0, name.length - 8); index < name.length; index++) {
    hash = (Math.imul(hash, 31) + name.charCodeAt(index)) | 0;
  }
  return (hash ^ (hash >>> 8)) & (SHARDS - 1);
}
