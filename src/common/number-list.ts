/** 64 KiB a block. */
const BLOCK_BITS = 14;
const BLOCK_LENGTH = 2 ** BLOCK_BITS;

/**
 * Numbers of 32 bits, without sign, by their index; each is 0 until it is put. It grows by a block at a time, and
 * only the first block is ever copied: to copy a million in one go would keep everybody waiting for milliseconds.
 */
export class NumberList {
  readonly #blocks: Uint32Array[];
  #room: number;

  /** `room`: how many it has room for at first, at most a block's. */
  constructor(room: number) {
    this.#room = room;
    this.#blocks = [new Uint32Array(room)];
  }

  at(index: number): number {
    return this.#blocks[index >>> BLOCK_BITS]![index % BLOCK_LENGTH]!;
  }

  put(index: number, value: number): void {
    this.#blocks[index >>> BLOCK_BITS]![index % BLOCK_LENGTH] = value;
  }

  /** Makes room for so many. */
  ensure(length: number): void {
    while (this.#room < length) {
      if (this.#room < BLOCK_LENGTH) {
        this.#room = Math.min(this.#room * 2, BLOCK_LENGTH);
        const larger = new Uint32Array(this.#room);
        larger.set(this.#blocks[0]!);
        this.#blocks[0] = larger;
      } else {
        this.#room += BLOCK_LENGTH;
        this.#blocks.push(new Uint32Array(BLOCK_LENGTH));
      }
    }
  }
}
