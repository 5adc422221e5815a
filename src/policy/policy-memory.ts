const PAGE_BYTES = 65_536;
/** OPA's allocator counts bytes in 32 bits, so at the whole 65,536 pages it would find no room at all. */
const MOST_PAGES = 65_535;
/** Loads are refused above this share of the memory: changes and evaluations need room too. */
export const LOAD_SHARE = 0.85;
/** What a policy needs before any data. */
const LEAST_BYTES = 1024 * 1024;

/**
 * Memories that no policy uses any more, by how many pages they may have. V8 doesn't know what a shared memory takes,
 * so one that is thrown away may stay for long; the next policy takes it over instead.
 */
const unused = new Map<number, WebAssembly.Memory[]>();

/**
 * The memory of a policy's instance, reserved up front: pages that nobody has touched cost nothing. Where the
 * address space is limited, as much is reserved as can be had. It is a shared memory: see `withSharedMemory`.
 */
export class PolicyMemory {
  readonly memory: WebAssembly.Memory;
  /** What the memory may grow to, in bytes. */
  readonly maxBytes: number;
  #bytes: Buffer;
  #words: DataView;
  #released = false;

  constructor(maxBytes: number) {
    this.maxBytes = Math.max(LEAST_BYTES, Math.min(maxBytes, MOST_PAGES * PAGE_BYTES));
    const pages = Math.ceil(this.maxBytes / PAGE_BYTES);
    this.memory = spares(pages).pop() ?? reserve(pages);
    this.#bytes = Buffer.from(this.memory.buffer);
    this.#words = new DataView(this.memory.buffer);
  }

  /** Leaves the memory to the next policy. Nobody may use it through this object any more. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    spares(Math.ceil(this.maxBytes / PAGE_BYTES)).push(this.memory);
  }

  get size(): number {
    return this.#view().length;
  }

  /** Writes text at an address, growing the memory where it must; the answer is its length in bytes. */
  write(text: string, address: number): number {
    const room = text.length * 3;
    this.ensure(address + room);
    // Without the room, `Buffer.write` would take what is left of the memory for it, and that in 31 bits.
    return this.#view().write(text, address, room, "utf8");
  }

  /** The text at an address, up to its terminating zero. */
  read(address: number): string {
    const bytes = this.#view();
    return bytes.toString("utf8", address, endOfText(bytes, address));
  }

  /** Exchanges the bytes at two addresses. */
  swap(a: number, b: number, length: number): void {
    const bytes = this.#view();
    const kept = Buffer.from(bytes.subarray(a, a + length));
    bytes.copyWithin(a, b, b + length);
    bytes.set(kept, b);
  }

  clear(address: number, length: number): void {
    this.#view().fill(0, address, address + length);
  }

  /** A view of the memory as it is now, for many reads and writes with no call between them that may make it grow. */
  words(): DataView {
    const { buffer, byteOffset, length } = this.#view();
    if (this.#words.buffer !== buffer) this.#words = new DataView(buffer, byteOffset, length);
    return this.#words;
  }

  getUint32(address: number): number {
    return this.#view().readUInt32LE(address);
  }

  setUint32(address: number, value: number): void {
    this.#view().writeUInt32LE(value, address);
  }

  /** Makes the memory at least this large; throws a RangeError when it may not be. */
  ensure(bytes: number): void {
    const missing = bytes - this.size;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  /**
   * A view of the memory as it is now. To ask a shared memory for its buffer takes a while, and one that is as
   * large as it may get has always the same.
   */
  #view(): Buffer {
    if (this.#bytes.length >= this.maxBytes) return this.#bytes;
    const { buffer } = this.memory;
    if (this.#bytes.length !== buffer.byteLength) this.#bytes = Buffer.from(buffer);
    return this.#bytes;
  }
}

/** `Buffer.indexOf` takes offsets of at most 31 bits. */
const FAR = 0x7000_0000;
const WINDOW_BYTES = 65_536;

function endOfText(bytes: Buffer, address: number): number {
  if (address < FAR) return bytes.indexOf(0, address);
  for (let start = address; start < bytes.length; start += WINDOW_BYTES) {
    const at = bytes.subarray(start, start + WINDOW_BYTES).indexOf(0);
    if (at >= 0) return start + at;
  }
  return bytes.length;
}

function spares(pages: number): WebAssembly.Memory[] {
  const known = unused.get(pages);
  if (known !== undefined) return known;
  const none: WebAssembly.Memory[] = [];
  unused.set(pages, none);
  return none;
}

function reserve(maximum: number): WebAssembly.Memory {
  for (let initial = maximum; ; initial = Math.ceil(initial / 2)) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch (error) {
      if (initial * PAGE_BYTES <= LEAST_BYTES) throw error;
    }
  }
}
