const PAGE_BYTES = 65_536;
/** OPA's allocator counts bytes in 32 bits, so at the whole 65,536 pages it would find no room at all. */
const MOST_PAGES = 65_535;
/** What a policy needs before any data. */
const LEAST_BYTES = 1024 * 1024;

/**
 * The memory of a policy's instance, reserved up front: pages that nobody has touched cost nothing, while
 * growing above 64 MB makes V8 collect all its garbage at every single step. Where the address space is
 * limited, as much is reserved as can be had.
 */
export class PolicyMemory {
  readonly memory: WebAssembly.Memory;
  /** What the memory may grow to, in bytes. */
  readonly maxBytes: number;
  #bytes: Buffer;

  constructor(maxBytes: number) {
    this.maxBytes = Math.max(LEAST_BYTES, Math.min(maxBytes, MOST_PAGES * PAGE_BYTES));
    this.memory = reserve(this.maxBytes);
    this.#bytes = Buffer.from(this.memory.buffer);
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

  /** Makes the memory at least this large; throws a RangeError when it may not be. */
  ensure(bytes: number): void {
    const missing = bytes - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  /** A view of the memory as it is now: growing detaches the one before. */
  #view(): Buffer {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = Buffer.from(this.memory.buffer);
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

function reserve(maxBytes: number): WebAssembly.Memory {
  const maximum = Math.ceil(maxBytes / PAGE_BYTES);
  for (let initial = maximum; ; initial = Math.ceil(initial / 2)) {
    try {
      return new WebAssembly.Memory({ initial, maximum });
    } catch (error) {
      if (initial * PAGE_BYTES <= LEAST_BYTES) throw error;
    }
  }
}
