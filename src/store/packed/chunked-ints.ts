/** Integers of a whole chunk: 64 KiB. */
const CHUNK_BITS = 14;
const CHUNK_SIZE = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SIZE - 1;
const LEAST_SIZE = 64;

/**
 * A list of 32-bit integers, all 0 at first, that grows by whole chunks: an array that outgrew its memory would be
 * copied at once, and everything else would wait. V8 neither moves nor marks what is in it.
 */
export class ChunkedInts {
  readonly #chunks: Int32Array[] = [new Int32Array(LEAST_SIZE)];

  /** Makes room for all indexes below `size`. */
  ensure(size: number): void {
    const first = this.#chunks[0]!;
    if (size > first.length && first.length < CHUNK_SIZE) {
      let length = first.length;
      while (length < size && length < CHUNK_SIZE) length *= 2;
      const larger = new Int32Array(length);
      larger.set(first);
      this.#chunks[0] = larger;
    }
    while (size > this.#chunks.length * CHUNK_SIZE && size > this.#chunks[0]!.length) {
      this.#chunks.push(new Int32Array(CHUNK_SIZE));
    }
  }

  get(index: number): number {
    return this.#chunks[index >>> CHUNK_BITS]![index & CHUNK_MASK]!;
  }

  set(index: number, value: number): void {
    this.#chunks[index >>> CHUNK_BITS]![index & CHUNK_MASK] = value;
  }
}
