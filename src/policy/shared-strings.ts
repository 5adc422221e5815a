import type { PolicyMemory } from "./policy-memory.ts";

// OPA's values in memory: a type, then for strings the length and where the bytes are; for arrays the elements, their
// number; for objects the table, its size. All in 32-bit words.
const TYPE_MASK = 0xff;
const STRING = 4;
const ARRAY = 5;
const OBJECT = 6;
/** A string of the compiler's own, which nobody frees. */
const SHARED_STRING = 8;
const LENGTH_FIELD = 4;
const BYTES_FIELD = 8;
const CONTENT_FIELD = 4;
const SIZE_FIELD = 8;
const WORD = 4;
/** An element of an array is two words, its position and its value; one of a table three, name, value and the next one. */
const VALUE_FIELD = 4;
const NEXT_FIELD = 8;
const ELEMENT_BYTES = 8;

/** Longer strings are seldom the same. */
const MOST_BYTES = 64;
/** How many strings are shared at most; twice as many have room, so that they are soon found. */
const MOST_SHARED = 4096;
const SLOTS = MOST_SHARED * 2;

/**
 * Strings that occur again and again in the data, once in memory for all: names of fields from the first time on,
 * values from the second. OPA's parser makes each anew, and the names of a record's fields take more room than
 * what is in them. They stay for as long as the memory is used, so there is a limit to their number.
 */
export class SharedStrings {
  readonly #memory: PolicyMemory;
  readonly #free: (value: number) => void;
  readonly #shared = new Uint32Array(SLOTS);
  /** Hashes of values that have been seen once, as far as no other one has taken the place. */
  readonly #seen = new Int32Array(SLOTS);
  #count = 0;

  /** `free` is OPA's `opa_value_free`. */
  constructor(memory: PolicyMemory, free: (value: number) => void) {
    this.#memory = memory;
    this.#free = free;
  }

  /** Puts shared strings in the place of a new value's own. Within a session of the heap. */
  share(root: number): void {
    const memory = this.#memory;
    const open = [root];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const type = memory.getUint32(value) & TYPE_MASK;
      const content = memory.getUint32(value + CONTENT_FIELD);
      const size = memory.getUint32(value + SIZE_FIELD);
      if (type === ARRAY) {
        for (let index = 0; index < size; index++) {
          this.#shareValue(content + index * ELEMENT_BYTES + VALUE_FIELD, open);
        }
      } else if (type === OBJECT) {
        for (let index = 0; index < size; index++) {
          let element = memory.getUint32(content + index * WORD);
          while (element !== 0) {
            this.#shareString(element, true);
            this.#shareValue(element + VALUE_FIELD, open);
            element = memory.getUint32(element + NEXT_FIELD);
          }
        }
      }
    }
  }

  #shareValue(at: number, open: number[]): void {
    const value = this.#memory.getUint32(at);
    const type = this.#memory.getUint32(value) & TYPE_MASK;
    if (type === STRING) this.#shareString(at, false);
    else if (type === ARRAY || type === OBJECT) open.push(value);
  }

  /** Shares the string that a word of the memory points to. */
  #shareString(at: number, atOnce: boolean): void {
    const memory = this.#memory;
    const value = memory.getUint32(at);
    const word = memory.getUint32(value);
    const length = memory.getUint32(value + LENGTH_FIELD);
    if ((word & TYPE_MASK) !== STRING || length > MOST_BYTES) return;
    const bytes = memory.getUint32(value + BYTES_FIELD);
    const hash = memory.hash(bytes, length);
    let slot = hash & (SLOTS - 1);
    for (let known = this.#shared[slot]!; known !== 0; known = this.#shared[slot]!) {
      if (
        memory.getUint32(known + LENGTH_FIELD) === length &&
        memory.equal(memory.getUint32(known + BYTES_FIELD), bytes, length)
      ) {
        memory.setUint32(at, known);
        this.#free(value);
        return;
      }
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.#count === MOST_SHARED) return;
    const seen = hash & (SLOTS - 1);
    if (!atOnce && this.#seen[seen] !== hash) {
      this.#seen[seen] = hash;
      return;
    }
    this.#count++;
    this.#shared[slot] = value;
    memory.setUint32(value, ((word & ~TYPE_MASK) | SHARED_STRING) >>> 0);
  }
}
