import { BridgeError } from "../../errors.ts";

/** What a record is of, and where it lies: kept by whoever keeps records. */
export interface RecordOwners {
  /** Where the record of this owner lies; what else there was of it is dead. */
  placeOf(owner: number): number;
  /** The record of this owner lies elsewhere from now on. */
  moved(owner: number, place: number): void;
}

interface Chunk {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  /** Bytes from its start that records have taken. */
  used: number;
  /** Bytes of those that are not dead. */
  live: number;
}

// A record: its header in 32-bit words, the name, the text. All places and sizes are multiples of UNIT bytes.
const OWNER = 0;
const SIZE = 1;
/** Twice the number of the name's units; one more when a unit has two bytes. */
const NAME = 2;
/** Twice the number of the text's bytes; one more when not all are ASCII. */
const TEXT = 3;
const REVISION_LOW = 4;
const REVISION_HIGH = 5;
const HEADER_BYTES = 24;
const NO_TEXT = -1;

const UNIT = 8;
const WORDS_PER_UNIT = UNIT / 4;
const CHUNK_BYTES = 256 * 1024;
const PLACE_BITS = Math.log2(CHUNK_BYTES / UNIT);
const PLACE_MASK = (1 << PLACE_BITS) - 1;
/** What is left of 32 bits for a chunk's index; with large records alone it is 4 GiB. */
const MOST_CHUNKS = 2 ** (32 - PLACE_BITS);
const LEAST_CHUNK_BYTES = 1024;
/**
 * A record of more bytes has a chunk of its own. So little stays free at the ends of chunks, from which the next record
 * has gone to another, that it alone is never enough to clear one.
 */
const LARGE_BYTES = CHUNK_BYTES / 8;
/** Chunks are cleared when this share of what is live is wasted, and by so many bytes at least. */
const WASTE_SHARE = 0.25;
const WASTE_BYTES = 4096;
const TWO_POW_32 = 2 ** 32;

/**
 * Names with the texts and revisions that belong to them, as bytes outside V8's heap: what a million values take
 * there would be copied and marked again and again while decisions wait.
 *
 * New records are added at the end. What changes is written where it was when it fits, or added anew; the old record
 * is dead. When there are too many dead ones, the chunk with the most of them is cleared: what is live in it is
 * added at the end, as in a log-structured file system.
 */
export class RecordLog {
  readonly #owners: RecordOwners;
  readonly #mostChunks: number;
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #free: number[] = [];
  /** The index of the chunk that records are added to. */
  #head = -1;
  #allocated = 0;
  #live = 0;

  /** With fewer chunks than it can have, in tests. */
  constructor(owners: RecordOwners, mostChunks: number = MOST_CHUNKS) {
    this.#owners = owners;
    this.#mostChunks = mostChunks;
  }

  /** Bytes that are allocated. */
  get size(): number {
    return this.#allocated;
  }

  /** Adds a record, without a text where that is undefined; the answer is its place. Throws `BUCKET_OVER_BUDGET`. */
  add(owner: number, name: string, text: string | undefined, revision: number): number {
    const isWide = hasWideUnits(name);
    const nameBytes = isWide ? name.length * 2 : name.length;
    const textBytes = text === undefined ? 0 : Buffer.byteLength(text);
    const place = this.#allocate(owner, HEADER_BYTES + nameBytes + textBytes);
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    words[word + NAME] = name.length * 2 + Number(isWide);
    bytes.write(name, word * 4 + HEADER_BYTES, nameBytes, isWide ? "utf16le" : "latin1");
    if (text === undefined) words[word + TEXT] = NO_TEXT;
    else this.#write(place, text, textBytes, revision);
    return place;
  }

  /** Sets a record's text; the answer is its place, which may be another. Throws `BUCKET_OVER_BUDGET`. */
  put(place: number, text: string, revision: number): number {
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    const textBytes = Buffer.byteLength(text);
    const kept = HEADER_BYTES + nameBytesOf(words[word + NAME]!);
    const size = roundUp(kept + textBytes);
    const before = words[word + SIZE]!;
    if (size <= before && size * 2 > before) {
      this.#write(place, text, textBytes, revision);
      return place;
    }
    const next = this.#allocate(words[word]!, size);
    const to = this.#chunkOf(next);
    const start = wordOf(next);
    to.words[start + NAME] = words[word + NAME]!;
    bytes.copy(to.bytes, start * 4 + HEADER_BYTES, word * 4 + HEADER_BYTES, word * 4 + kept);
    this.#write(next, text, textBytes, revision);
    this.remove(place);
    return next;
  }

  /** Takes a record's text away. */
  clear(place: number): void {
    this.#chunkOf(place).words[wordOf(place) + TEXT] = NO_TEXT;
  }

  /** The record at this place is dead. */
  remove(place: number): void {
    const index = place >>> PLACE_BITS;
    const chunk = this.#chunks[index]!;
    const size = chunk.words[wordOf(place) + SIZE]!;
    chunk.live -= size;
    this.#live -= size;
    if (chunk.live > 0) return;
    if (index === this.#head) chunk.used = 0;
    else this.#drop(index);
  }

  /** To be called when owners know the places of all records: clears a chunk where too much is dead. */
  tidy(): void {
    const head = this.#chunks[this.#head];
    const spare = (head?.bytes.length ?? 0) + WASTE_BYTES;
    if (this.#allocated - this.#live <= this.#live * WASTE_SHARE + spare) return;
    const index = this.#emptiest();
    if (index < 0) return;
    const { bytes, words, used } = this.#chunks[index]!;
    for (let word = 0; word * 4 < used; word += words[word + SIZE]! / 4) {
      const owner = words[word]!;
      const place = placeIn(index, word);
      if (this.#owners.placeOf(owner) !== place) continue;
      const size = words[word + SIZE]!;
      const next = this.#allocate(owner, size);
      const start = wordOf(next) * 4;
      bytes.copy(this.#chunkOf(next).bytes, start, word * 4, word * 4 + size);
      this.#live -= size;
      this.#owners.moved(owner, next);
    }
    this.#drop(index);
  }

  /** Whether a record has the name that stands between two indexes of a text. */
  isNamed(place: number, text: string, start: number, end: number): boolean {
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    const units = end - start;
    const name = words[word + NAME]!;
    let at = word * 4 + HEADER_BYTES;
    if (name >>> 1 !== units) return false;
    if (name & 1) return this.name(place) === text.slice(start, end);
    for (let index = start; index < end; index++) {
      if (bytes[at++] !== text.charCodeAt(index)) return false;
    }
    return true;
  }

  name(place: number): string {
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    const name = words[word + NAME]!;
    const start = word * 4 + HEADER_BYTES;
    return bytes.toString(name & 1 ? "utf16le" : "latin1", start, start + nameBytesOf(name));
  }

  hasText(place: number): boolean {
    return this.#chunkOf(place).words[wordOf(place) + TEXT] !== NO_TEXT;
  }

  text(place: number): string | undefined {
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    const text = words[word + TEXT]!;
    if (text === NO_TEXT) return undefined;
    const start = word * 4 + HEADER_BYTES + nameBytesOf(words[word + NAME]!);
    return bytes.toString(text & 1 ? "utf8" : "latin1", start, start + (text >>> 1));
  }

  /** Of a record that has a text. */
  revision(place: number): number {
    const { words } = this.#chunkOf(place);
    const word = wordOf(place);
    return words[word + REVISION_HIGH]! * TWO_POW_32 + (words[word + REVISION_LOW]! >>> 0);
  }

  #write(place: number, text: string, textBytes: number, revision: number): void {
    const { bytes, words } = this.#chunkOf(place);
    const word = wordOf(place);
    const isAscii = textBytes === text.length;
    const start = word * 4 + HEADER_BYTES + nameBytesOf(words[word + NAME]!);
    words[word + TEXT] = textBytes * 2 + Number(!isAscii);
    words[word + REVISION_LOW] = revision | 0;
    words[word + REVISION_HIGH] = Math.floor(revision / TWO_POW_32);
    bytes.write(text, start, textBytes, isAscii ? "latin1" : "utf8");
  }

  #allocate(owner: number, bytes: number): number {
    const size = roundUp(bytes);
    let index = this.#head;
    if (size > LARGE_BYTES) index = this.#newChunk(size);
    else {
      const head = this.#chunks[index];
      if (head === undefined || head.used + size > head.bytes.length) {
        index = this.#nextHead(size);
      }
    }
    const chunk = this.#chunks[index]!;
    const word = chunk.used / 4;
    chunk.words[word + OWNER] = owner;
    chunk.words[word + SIZE] = size;
    chunk.used += size;
    chunk.live += size;
    this.#live += size;
    return placeIn(index, word);
  }

  /** A document that is small has small chunks. */
  #nextHead(size: number): number {
    let length = LEAST_CHUNK_BYTES;
    while (length < CHUNK_BYTES && length < Math.max(size, this.#live)) length *= 2;
    this.#head = this.#newChunk(length);
    return this.#head;
  }

  #newChunk(length: number): number {
    if (this.#free.length === 0 && this.#chunks.length === this.#mostChunks) throw full();
    const bytes = Buffer.allocUnsafeSlow(length);
    const index = this.#free.pop() ?? this.#chunks.length;
    this.#chunks[index] = { bytes, words: new Int32Array(bytes.buffer), used: 0, live: 0 };
    this.#allocated += length;
    return index;
  }

  #drop(index: number): void {
    this.#allocated -= this.#chunks[index]!.bytes.length;
    this.#chunks[index] = undefined;
    this.#free.push(index);
  }

  /** The chunk with the smallest share of live bytes, not the one that records are added to; or -1. */
  #emptiest(): number {
    let found = -1;
    let least = 1;
    for (const [index, chunk] of this.#chunks.entries()) {
      if (chunk === undefined || index === this.#head) continue;
      const share = chunk.live / chunk.bytes.length;
      if (share >= least) continue;
      found = index;
      least = share;
    }
    return found;
  }

  #chunkOf(place: number): Chunk {
    return this.#chunks[place >>> PLACE_BITS]!;
  }
}

/** A signed integer of 32 bits. */
function placeIn(chunk: number, word: number): number {
  return (chunk << PLACE_BITS) | (word / WORDS_PER_UNIT);
}

function wordOf(place: number): number {
  return (place & PLACE_MASK) * WORDS_PER_UNIT;
}

function nameBytesOf(name: number): number {
  return name & 1 ? name - 1 : name >>> 1;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / UNIT) * UNIT;
}

function hasWideUnits(name: string): boolean {
  for (let index = 0; index < name.length; index++) if (name.charCodeAt(index) > 0xff) return true;
  return false;
}

function full(): BridgeError {
  return new BridgeError(
    "BUCKET_OVER_BUDGET",
    "A bucket's keys and values take more than the 4 GiB that can be kept of one; watch smaller buckets.",
  );
}
