import type { PolicyMemory } from "./policy-memory.ts";

// OPA's values in memory: a type, then for strings the length and where the bytes are; for arrays the elements, their
// number; for objects the table, its size. All in 32-bit words.
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

/** Longer strings are seldom the same, and blocks of more bytes than this take long to free one by one. */
const MOST_BYTES = 64;
/** In text with `\u0061` and the like OPA reserves up to four bytes for each one that is in a string in the end. */
const MOST_BYTES_ESCAPED = MOST_BYTES / 4;
/** How many strings are shared at most; twice as many have room, so that they are soon found. */
const MOST_SHARED = 4096;
const SLOTS = MOST_SHARED * 2;
/** Slots that are looked into for a string. Names can be chosen such that they have one place, so there is an end to it. */
const MOST_PROBES = 8;

/**
 * Strings that occur again and again in the data, names of fields and values, once in memory for all from their second
 * time on. OPA's parser makes each anew, and the names of a record's fields take more room than what is in them. They
 * stay for as long as the memory is used, so there is a limit to their number.
 */
export class SharedStrings {
  readonly #memory: PolicyMemory;
  readonly #free: (value: number) => void;
  readonly #shared = new Uint32Array(SLOTS);
  /** Hashes of strings that have been seen once, as far as no other one has taken the place. */
  readonly #seen = new Int32Array(SLOTS);
  #count = 0;
  /** Of how many bytes a string of the value at hand may be. */
  #mostBytes = 0;

  /** `free` is OPA's `opa_value_free`. */
  constructor(memory: PolicyMemory, free: (value: number) => void) {
    this.#memory = memory;
    this.#free = free;
  }

  /** Puts shared strings in the place of those of a new value, made from JSON text. Within a session of the heap. */
  share(root: number, text: string): void {
    this.#mostBytes = text.includes("\\u") ? MOST_BYTES_ESCAPED : MOST_BYTES;
    const words = this.#memory.words();
    const open = [root];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const type = words.getUint8(value);
      const content = words.getUint32(value + CONTENT_FIELD, true);
      const size = words.getUint32(value + SIZE_FIELD, true);
      if (type === ARRAY) {
        for (let index = 0; index < size; index++) {
          this.#shareValue(words, content + index * ELEMENT_BYTES + VALUE_FIELD, open);
        }
      } else if (type === OBJECT) {
        for (let index = 0; index < size; index++) {
          let element = words.getUint32(content + index * WORD, true);
          while (element !== 0) {
            this.#shareString(words, element);
            this.#shareValue(words, element + VALUE_FIELD, open);
            element = words.getUint32(element + NEXT_FIELD, true);
          }
        }
      }
    }
  }

  #shareValue(words: DataView, at: number, open: number[]): void {
    const value = words.getUint32(at, true);
    const type = words.getUint8(value);
    if (type === STRING) this.#shareString(words, at);
    else if (type === ARRAY || type === OBJECT) open.push(value);
  }

  /** Shares the string that a word of the memory points to. */
  #shareString(words: DataView, at: number): void {
    const value = words.getUint32(at, true);
    const length = words.getUint32(value + LENGTH_FIELD, true);
    if (length > this.#mostBytes || words.getUint8(value) !== STRING) return;
    const bytes = words.getUint32(value + BYTES_FIELD, true);
    const hash = hashOf(words, bytes, length);
    for (let probe = 0; probe < MOST_PROBES; probe++) {
      const slot = (hash + probe) & (SLOTS - 1);
      const known = this.#shared[slot]!;
      if (known === 0) return this.#offer(words, value, hash, slot);
      if (
        words.getUint32(known + LENGTH_FIELD, true) === length &&
        areEqual(words, words.getUint32(known + BYTES_FIELD, true), bytes, length)
      ) {
        words.setUint32(at, known, true);
        this.#free(value);
        return;
      }
    }
  }

  /** Shares a string from now on, in an empty slot, if it has been seen before. */
  #offer(words: DataView, value: number, hash: number, slot: number): void {
    if (this.#count === MOST_SHARED) return;
    const seen = hash & (SLOTS - 1);
    if (this.#seen[seen] !== hash) {
      this.#seen[seen] = hash;
      return;
    }
    this.#count++;
    this.#shared[slot] = value;
    words.setUint8(value, SHARED_STRING);
  }
}

/** A hash of bytes, of 32 bits. */
function hashOf(words: DataView, start: number, length: number): number {
  let hash = length;
  let at = start;
  for (const end = start + length - 3; at < end; at += WORD) {
    hash = Math.imul(hash ^ words.getUint32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (const end = start + length; at < end; at++) {
    hash = Math.imul(hash ^ words.getUint8(at), 0x01000193);
  }
  return hash ^ (hash >>> 15);
}

function areEqual(words: DataView, a: number, b: number, length: number): boolean {
  let index = 0;
  for (; index + WORD <= length; index += WORD) {
    if (words.getUint32(a + index, true) !== words.getUint32(b + index, true)) return false;
  }
  for (; index < length; index++) {
    if (words.getUint8(a + index) !== words.getUint8(b + index)) return false;
  }
  return true;
}
