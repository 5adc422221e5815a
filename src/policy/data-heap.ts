import { BridgeError } from "../errors.ts";
import { SharedStrings } from "./shared-strings.ts";
import type { WasmInstance } from "./wasm-instance.ts";

const OK = 0;
/** Room for what JSON text becomes on the heap, in bytes for each of its own: `[1,1,…]` is the worst case. */
const GROWTH = 32;
const SLACK_BYTES = 65_536;
/** Blocks of more bytes than this have one list of free blocks, whatever their size. */
const LARGE_BLOCK = 129;
/** What bringing back freed blocks may cost each session on average, in milliseconds. */
const RECLAIM_MS = 0.04;
const MOST_SKIPPED = 100;
/** OPA's `opa_object_t`: its type, where its table is, the table's size, and how many fields there are. */
const OBJECT_BYTES = 16;
const TABLE_FIELD = 4;
const TABLE_SIZE_FIELD = 8;
const POINTER_BYTES = 4;
/** An object's table is made twice as large when more than this share of it is taken. */
const TABLE_LOAD = 0.7;
/** Tables for fewer fields than this grow fast enough. */
const WIDE_FIELDS = 256;
/** Room in a new table for fields that come later. */
const TABLE_RESERVE = 1.25;

/** The calls of OPA's ABI 1.3 that keep freed blocks from one session to the next. */
type HeapCalls = Required<
  Pick<WasmInstance["exports"], "opa_heap_blocks_stash" | "opa_heap_blocks_restore">
>;

/**
 * Changes the data in a policy's memory in place, in time proportional to the change.
 *
 * A session, between two evaluations: the heap's end is put back to where the data ends and the blocks that
 * earlier sessions freed are brought out; after the changes, the free blocks are hidden from evaluations (which
 * forget all that they allocate) and the data's new end is noted. An evaluation that failed in the middle
 * leaves no trace, because a session never starts from where an evaluation stopped.
 */
export class DataHeap {
  readonly #instance: WasmInstance;
  readonly #calls: HeapCalls;
  /** How many sessions end before blocks are brought back again. */
  #reclaimIn = 0;
  /** Whether objects are laid out as expected. */
  readonly #knowsObjects: boolean;
  /** Undefined where strings are not laid out as expected. */
  readonly #shared: SharedStrings | undefined;

  /** Whether an instance's module has what this needs (ABI 1.3, OPA 0.53 and later). */
  static supports({ minorVersion, exports }: WasmInstance): boolean {
    return (
      minorVersion >= 3 &&
      exports.opa_heap_blocks_stash !== undefined &&
      exports.opa_heap_blocks_restore !== undefined
    );
  }

  constructor(instance: WasmInstance) {
    this.#instance = instance;
    this.#calls = instance.exports as HeapCalls;
    this.#knowsObjects = this.session(() => this.#tryObjects());
    this.#shared = this.#knowsObjects ? this.session(() => this.#trySharing()) : undefined;
  }

  /** Bytes from the start of memory to where the data ends. */
  get end(): number {
    return this.#instance.dataEnd;
  }

  /**
   * Runs changes as one session. What it throws comes out, after the session has been ended: the changes made
   * until then stand.
   */
  session<T>(change: () => T): T {
    const { exports } = this.#instance;
    exports.opa_heap_ptr_set(this.#instance.dataEnd);
    this.#calls.opa_heap_blocks_restore();
    try {
      const result = change();
      this.#reclaim();
      return result;
    } catch (error) {
      this.#instance.restoreStack();
      throw error;
    } finally {
      this.#calls.opa_heap_blocks_stash();
      this.#instance.dataEnd = exports.opa_heap_ptr_get();
    }
  }

  /**
   * Large blocks that OPA frees with a value wait in a list of their own until the next large block is asked for,
   * and what is in that list when the session ends is lost. Asking for one brings them back.
   *
   * It takes time in proportion to the number of holes. Where that is long it is done less often: what is lost
   * meanwhile makes the data grow, until it is put into a new instance.
   */
  #reclaim(): void {
    const { memory, exports } = this.#instance;
    if (this.#reclaimIn-- > 0) return;
    if (exports.opa_heap_ptr_get() + SLACK_BYTES > memory.size) return;
    const start = performance.now();
    exports.opa_free(exports.opa_malloc(LARGE_BLOCK));
    const ms = performance.now() - start;
    this.#reclaimIn = Math.min(Math.floor(ms / RECLAIM_MS), MOST_SKIPPED);
  }

  /** A new value from JSON text, not yet part of anything. Within a session. */
  parse(text: string): number {
    const { memory, exports } = this.#instance;
    // The text lies at the far end of the memory, so that it takes no block of the heap.
    const room = text.length * 3;
    memory.ensure(exports.opa_heap_ptr_get() + room * (GROWTH + 1) + SLACK_BYTES);
    const address = memory.size - room;
    const value = exports.opa_json_parse(address, memory.write(text, address));
    if (value === 0) {
      throw new BridgeError(
        "EVALUATION_FAILED",
        "A value could not be put into the policy's memory: OPA's parser refused it.",
      );
    }
    return value;
  }

  /** As {@link parse}, for what is to stay: strings that occur often are shared with other values. */
  newValue(text: string): number {
    const value = this.parse(text);
    this.#shared?.share(value, text);
    return value;
  }

  /**
   * Puts a value at a path under `base`, making the objects on the way; what stood there is freed. False, with
   * the value freed, when something on the way is not an object.
   */
  link(base: number, path: readonly string[], value: number): boolean {
    const { exports } = this.#instance;
    const pathValue = this.parse(JSON.stringify(path));
    const result = exports.opa_value_add_path(base, pathValue, value);
    exports.opa_value_free(pathValue);
    if (result !== OK) exports.opa_value_free(value);
    return result === OK;
  }

  /** As {@link link}, with a new value from JSON text. */
  put(base: number, path: readonly string[], text: string): boolean {
    return this.link(base, path, this.newValue(text));
  }

  /** Removes what stands at a path under `base`, and frees it; false when the path can't be followed. */
  remove(base: number, path: readonly string[]): boolean {
    const { exports } = this.#instance;
    const pathValue = this.parse(JSON.stringify(path));
    const result = exports.opa_value_remove_path(base, pathValue);
    exports.opa_value_free(pathValue);
    return result === OK;
  }

  /**
   * Takes all that an object holds out of it, at once, and answers with a new object that holds it: freeing it in
   * place takes time in proportion to it. Undefined where the module's objects are not laid out as expected.
   */
  takeContent(address: number): number | undefined {
    if (!this.#knowsObjects) return undefined;
    const empty = this.parse("{}");
    this.#instance.memory.swap(address, empty, OBJECT_BYTES);
    return empty;
  }

  /** Frees a value that is part of nothing. */
  free(value: number): void {
    this.#instance.exports.opa_value_free(value);
  }

  /**
   * A new empty object with room for so many fields, not yet part of anything. OPA's own grow as fields come, and
   * to make a table of 100,000 twice as large takes 10 ms in one step.
   */
  newObject(fields: number): number {
    const object = this.parse("{}");
    if (fields >= WIDE_FIELDS && this.#knowsObjects) this.#widen(object, fields);
    return object;
  }

  #widen(object: number, fields: number): void {
    const { memory, exports } = this.#instance;
    const size = Math.ceil((fields * TABLE_RESERVE) / TABLE_LOAD);
    memory.ensure(exports.opa_heap_ptr_get() + size * POINTER_BYTES + SLACK_BYTES);
    const table = exports.opa_malloc(size * POINTER_BYTES);
    memory.clear(table, size * POINTER_BYTES);
    exports.opa_free(memory.getUint32(object + TABLE_FIELD));
    memory.setUint32(object + TABLE_FIELD, table);
    memory.setUint32(object + TABLE_SIZE_FIELD, size);
  }

  /** The layout is no part of OPA's ABI, so it is tried out before it is relied on. */
  #tryObjects(): boolean {
    const text = '{"a":{"b":1},"c":"d"}';
    const full = this.parse(text);
    const empty = this.parse("{}");
    this.#instance.memory.swap(full, empty, OBJECT_BYTES);
    const swapped = this.#dumps(full, "{}") && this.#dumps(empty, text);
    // Back again, so that whatever this has come to can be freed as it was made.
    if (!swapped) this.#instance.memory.swap(full, empty, OBJECT_BYTES);
    this.free(full);
    this.free(empty);
    return swapped && this.#tryWidening(text);
  }

  #tryWidening(text: string): boolean {
    const object = this.parse("{}");
    this.#widen(object, WIDE_FIELDS);
    if (!this.#dumps(object, "{}")) return false;
    for (const [name, value] of Object.entries(JSON.parse(text) as object)) {
      this.put(object, [name], JSON.stringify(value));
    }
    const widened = this.#dumps(object, text);
    this.free(object);
    return widened;
  }

  #trySharing(): SharedStrings | undefined {
    const shared = new SharedStrings(this.#instance.memory, (value) => this.free(value));
    const text = '{"a":{"b":["d","d",{"a":"d"}]},"c":"d"}';
    for (let round = 0; round < 3; round++) {
      const value = this.parse(text);
      shared.share(value, text);
      const isSame = this.#dumps(value, text);
      this.free(value);
      if (!isSame) return undefined;
    }
    return shared;
  }

  #dumps(value: number, text: string): boolean {
    const names = ["a", "b", "c"];
    return JSON.stringify(JSON.parse(this.#instance.dump(value)), names) === text;
  }
}
