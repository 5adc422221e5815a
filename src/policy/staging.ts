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
    const top = this.#isRoot ? path[0]! : "";
    const rest = this.#isRoot ? path.slice(1) : path;
    if (rest.length === 0) {
      this.tops.set(top, this.#heap.parse(text!));
      return;
    }
    let base = this.tops.get(top);
    if (base === undefined) this.tops.set(top, (base = this.#heap.parse("{}")));
    const done = this.#heap.put(base, rest, text!);
    // Parts of different moments may contradict each other; what changed meanwhile is set right when linked.
    if (!done && this.dirty.size === 0) throw contradiction(path);
  }
}

/** The data in memory is not what the store's document says it must be. */
export function contradiction(path: readonly string[]): BridgeError {
  return new BridgeError(
    "EVALUATION_FAILED",
    `The policy's data could not be changed at ${quote(path.join("."))}: an object is missing on the way.`,
  );
}
