import type { BucketDocument } from "../store/bucket-document.ts";
import type { DocumentPart } from "../store/document.ts";
import { BridgeError, quote } from "../errors.ts";
import type { DataHeap } from "./data-heap.ts";

/** A document that is put into memory beside the visible data, part by part, to be linked in one go. */
export class Staging {
  readonly bucket: string;
  readonly document: BucketDocument;
  /**
   * The values that will stand at the top when it is linked: for the root bucket one for each name, for others
   * one under the name "".
   */
  readonly tops: Map<string, number> = new Map();
  /** Keys that have changed since the staging began. */
  readonly dirty: Set<string> = new Set();
  discarded = false;
  readonly #heap: DataHeap;
  readonly #isRoot: boolean;
  readonly #parts: Iterator<DocumentPart>;
  /**
   * The objects from the top down to where the last part was put. Parts come depth first, so a path is never
   * walked from the top again, and each object is made when it is first needed.
   */
  readonly #open: { readonly name: string; readonly address: number }[] = [];

  constructor(heap: DataHeap, bucket: string, document: BucketDocument, isRoot: boolean) {
    this.#heap = heap;
    this.bucket = bucket;
    this.document = document;
    this.#isRoot = isRoot;
    this.#parts = document.parts()[Symbol.iterator]();
  }

  /** Stages parts for so many milliseconds; true when none is left. Within a session of the heap. */
  slice(ms: number): boolean {
    const end = performance.now() + ms;
    do {
      const next = this.#parts.next();
      if (next.done === true) return true;
      this.#stage(next.value);
    } while (performance.now() < end);
    return false;
  }

  /** The paths under one of the tops, for freeing it. */
  *partsUnder(top: string): Generator<DocumentPart> {
    for (const part of this.document.parts()) {
      if (!this.#isRoot) yield part;
      else if (part.path[0] === top && part.path.length > 1) {
        yield { ...part, path: part.path.slice(1) };
      }
    }
  }

  #stage({ path, text }: DocumentPart): void {
    const parents = this.#isRoot ? path.slice(0, -1) : ["", ...path.slice(0, -1)];
    const name = path.at(-1)!;
    const base = this.#openObject(parents);
    if (base === undefined) this.tops.set(name, this.#heap.parse(text!));
    else if (!this.#heap.put(base, [name], text!)) throw contradiction(path);
  }

  /** The object at this path, the top's name first; undefined for no path. */
  #openObject(path: readonly string[]): number | undefined {
    let depth = 0;
    while (depth < path.length && this.#open[depth]?.name === path[depth]) depth++;
    this.#open.length = depth;
    for (const name of path.slice(depth)) {
      const address = this.#heap.parse("{}");
      const base = this.#open.at(-1)?.address;
      if (base === undefined) this.tops.set(name, address);
      else this.#heap.link(base, [name], address);
      this.#open.push({ name, address });
    }
    return this.#open.at(-1)?.address;
  }
}

/** The data in memory is not what the store's document says it must be. */
export function contradiction(path: readonly string[]): BridgeError {
  return new BridgeError(
    "EVALUATION_FAILED",
    `The policy's data could not be changed at ${quote(path.join("."))}: an object is missing on the way.`,
  );
}
