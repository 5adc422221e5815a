import type { BucketDocument } from "../store/bucket-document.ts";
import type { Place, PlacedPart } from "../store/document.ts";
import { BridgeError, quote } from "../errors.ts";
import type { DataHeap } from "./data-heap.ts";

/** Data that is put into memory beside the visible data, part by part, to be linked in one go. */
export class StagedParts {
  /**
   * The values that will stand at the top when it is linked: one for each name where it will be the top of `data`,
   * for others one under the name "".
   */
  readonly tops: Map<string, number> = new Map();
  readonly #heap: DataHeap;
  readonly #isRoot: boolean;
  readonly #parts: Iterator<PlacedPart>;
  /**
   * The objects from the top down to where the last part was put. Parts come depth first, so a path is never
   * walked from the top again, and each object is made when it is first needed.
   */
  readonly #open: { readonly name: string; readonly address: number }[] = [];
  /** Where the last part was put; the object there is the last one that is open. */
  #place: Place | undefined;

  constructor(heap: DataHeap, parts: Iterable<PlacedPart>, isRoot: boolean) {
    this.#heap = heap;
    this.#isRoot = isRoot;
    this.#parts = parts[Symbol.iterator]();
  }

  /** Stages parts until `performance.now()` is `end`; true when none is left. Within a session of the heap. */
  slice(end: number): boolean {
    do {
      const next = this.#parts.next();
      if (next.done === true) return true;
      this.#stage(next.value);
    } while (performance.now() < end);
    return false;
  }

  #stage({ place, name, text }: PlacedPart): void {
    if (place !== this.#place) this.#openObject(place);
    const base = this.#open.at(-1)?.address;
    if (base === undefined) this.tops.set(name, this.#heap.newValue(text));
    else if (!this.#heap.put(base, [name], text)) throw contradiction([...place.path, name]);
  }

  /** Opens the object at a place, the top first. */
  #openObject(place: Place): void {
    this.#place = place;
    // The root bucket's own fields stand at the top one by one, so the object that they are in is not made here.
    const path = this.#isRoot ? place.path : ["", ...place.path];
    const widths = this.#isRoot ? place.widths.slice(1) : place.widths;
    let depth = 0;
    while (depth < path.length && this.#open[depth]?.name === path[depth]) depth++;
    this.#open.length = depth;
    for (; depth < path.length; depth++) {
      const name = path[depth]!;
      const address = this.#heap.newObject(widths[depth]!);
      const base = this.#open.at(-1)?.address;
      if (base === undefined) this.tops.set(name, address);
      else this.#heap.link(base, [name], address);
      this.#open.push({ name, address });
    }
  }
}

/** A bucket's document that is staged. */
export class Staging extends StagedParts {
  readonly bucket: string;
  readonly document: BucketDocument;
  /** Keys that have changed since the staging began. */
  readonly dirty: Set<string> = new Set();
  discarded = false;
  readonly #isRoot: boolean;

  constructor(
    heap: DataHeap,
    bucket: string,
    document: BucketDocument,
    parts: Iterable<PlacedPart>,
    isRoot: boolean,
  ) {
    super(heap, parts, isRoot);
    this.bucket = bucket;
    this.document = document;
    this.#isRoot = isRoot;
  }

  /** The paths under one of the tops, for freeing it. */
  *pathsUnder(top: string): Generator<readonly string[]> {
    for (const path of pathsOf(this.document)) {
      if (!this.#isRoot) yield path;
      else if (path[0] === top && path.length > 1) yield path.slice(1);
    }
  }
}

/** Where each part of a document stands. */
export function* pathsOf(document: BucketDocument): Generator<readonly string[]> {
  for (const { place, name } of document.parts()) yield [...place.path, name];
}

/** The data in memory is not what the store's document says it must be. */
export function contradiction(path: readonly string[]): BridgeError {
  return new BridgeError(
    "EVALUATION_FAILED",
    `The policy's data could not be changed at ${quote(path.join("."))}: an object is missing on the way.`,
  );
}
