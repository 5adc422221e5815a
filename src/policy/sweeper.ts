import type { Slices } from "../common/slices.ts";
import type { DataHeap } from "./data-heap.ts";

/** What is freed in slices: an object that is part of nothing, and the paths of what it holds. */
interface Waste {
  readonly address: number;
  readonly paths: Iterator<readonly string[]>;
}

/** Frees large objects a slice at a time, so that taking a bucket away delays no decision. */
export class Sweeper {
  readonly #heap: DataHeap;
  readonly #slices: Slices;
  readonly #waste: Waste[] = [];
  #sweeping = false;
  #stopped = false;

  constructor(heap: DataHeap, slices: Slices) {
    this.#heap = heap;
    this.#slices = slices;
  }

  /** How many objects are still to be freed. */
  get size(): number {
    return this.#waste.length;
  }

  /** Frees an object that is part of nothing, soon. The paths of what it holds must not change any more. */
  add(address: number, paths: Iterable<readonly string[]>): void {
    this.#waste.push({ address, paths: paths[Symbol.iterator]() });
    if (this.#sweeping) return;
    // What can't be freed is left where it is, which costs room and nothing else.
    this.#sweep().catch(() => this.#waste.splice(0));
  }

  /** Leaves everything as it is. */
  stop(): void {
    this.#stopped = true;
  }

  async #sweep(): Promise<void> {
    this.#sweeping = true;
    try {
      // Never at once: whoever adds something is in a session, and sessions don't nest.
      for (let waste = this.#waste[0]; waste !== undefined; waste = this.#waste[0]) {
        await this.#slices.run(
          (end) => this.#stopped || this.#heap.session(() => this.#slice(waste, end)),
        );
        this.#waste.shift();
      }
    } finally {
      this.#sweeping = false;
    }
  }

  /** True when the object is gone. */
  #slice({ address, paths }: Waste, end: number): boolean {
    do {
      const next = paths.next();
      if (next.done === true) {
        this.#heap.free(address);
        return true;
      }
      this.#heap.remove(address, next.value);
    } while (performance.now() < end);
    return false;
  }
}
