import { type Fields, isObjectText, objectText, splitObject, textAt } from "../common/json-text.ts";
import { KeyTree, NONE } from "./packed/key-tree.ts";
import type { TreeWalk } from "./packed/tree-walk.ts";

/** The value that a key holds in a document, and the revision that put it there. */
export interface DocumentEntry {
  /** The JSON text of the value. */
  readonly text: string;
  /** The revision of the bucket that put it there. */
  readonly revision: number;
}

/**
 * A piece of a document that is determined on its own: a value with all that overlays it. Undefined text:
 * nothing stands at the path any more.
 */
export interface DocumentPart {
  /** Where it stands in the document. */
  readonly path: readonly string[];
  /** Its JSON text. */
  readonly text: string | undefined;
}

/** An object of a document: what holds parts, from the document itself on. */
export interface Place {
  /** Where it stands; empty for the document. */
  readonly path: readonly string[];
  /** How many fields each object on the way to it has, the document first and itself last. */
  readonly widths: readonly number[];
}

/** A part of a whole document; all parts of one object have the very same place. */
export interface PlacedPart {
  readonly place: Place;
  /** Its name there. */
  readonly name: string;
  /** Its JSON text. */
  readonly text: string;
}

/** The name of the document's own field that a part is in. */
export function topOf({ place, name }: PlacedPart): string {
  return place.path[0] ?? name;
}

/** The document itself. */
const ROOT = NONE;

/**
 * One document out of many dotted keys, as a pure function of the current key → value map (never of the
 * order in which keys came):
 *
 * - a key's value stands at its path: `a.b` → `{"a":{"b":…}}`;
 * - where one key is a prefix of another (`a`, `a.b`), an object at `a` is overlaid field by field by the
 *   deeper keys, and any other value at `a` is hidden for as long as deeper keys exist;
 * - a removed key takes nothing with it but itself and the objects that only it held open.
 *
 * Values are JSON texts and stay texts, so that number formats survive.
 */
export class Document {
  readonly #tree = new KeyTree();
  readonly #hidden = new Set<string>();
  #size = 0;

  /** How many keys hold a value. */
  get size(): number {
    return this.#size;
  }

  /** The keys whose value is hidden by deeper keys, in no particular order. */
  get hidden(): ReadonlySet<string> {
    return this.#hidden;
  }

  /** How many readings of its entries or parts are under way. */
  get readings(): number {
    return this.#tree.walks;
  }

  /** Sets a key's value; the answer is the entry it replaces. */
  put(key: string, text: string, revision: number): DocumentEntry | undefined {
    const tree = this.#tree;
    let node = ROOT;
    let start = 0;
    for (;;) {
      const dot = key.indexOf(".", start);
      const end = dot < 0 ? key.length : dot;
      const child = tree.child(node, key, start, end);
      if (child === NONE) {
        if (tree.firstChild(node) === NONE && this.#isScalar(node)) {
          this.#hidden.add(key.slice(0, start - 1));
        }
        const name = key.slice(start, end);
        if (dot < 0) {
          tree.add(node, name, text, revision);
          this.#size++;
          return undefined;
        }
        node = tree.add(node, name);
      } else node = child;
      if (dot < 0) break;
      start = end + 1;
    }
    const previous = this.#entryOf(node);
    if (previous === undefined) this.#size++;
    tree.put(node, text, revision);
    if (tree.firstChild(node) !== NONE) {
      if (isObjectText(text)) this.#hidden.delete(key);
      else this.#hidden.add(key);
    }
    return previous;
  }

  /** Removes a key's own value, never that of a deeper key; the answer is the entry removed. */
  remove(key: string): DocumentEntry | undefined {
    const tree = this.#tree;
    let node = this.#nodeAt(key.split("."));
    const previous = node === undefined ? undefined : this.#entryOf(node);
    if (node === undefined || previous === undefined) return undefined;
    this.#size--;
    this.#hidden.delete(key);
    tree.clear(node);
    let path = key;
    while (node !== ROOT && tree.firstChild(node) === NONE && !tree.hasText(node)) {
      const parent = tree.parent(node);
      tree.remove(node);
      path = path.slice(0, Math.max(0, path.lastIndexOf(".")));
      if (tree.firstChild(parent) === NONE) this.#hidden.delete(path);
      node = parent;
    }
    return previous;
  }

  /** The entry of exactly this key, hidden or not. */
  entry(key: string): DocumentEntry | undefined {
    const node = this.#nodeAt(key.split("."));
    return node === undefined ? undefined : this.#entryOf(node);
  }

  /** The JSON text of the document at `path`, or undefined where there is nothing. An empty document is `{}`. */
  text(path: readonly string[] = []): string | undefined {
    const tree = this.#tree;
    let node = ROOT;
    // The value nearest above, and how many segments lead to it: it also decides what stands further down.
    let above = NONE;
    let ownDepth = 0;
    for (let depth = 0; depth < path.length; depth++) {
      const child = tree.child(node, path[depth]!);
      if (child === NONE) {
        // Below the deepest key there is only what a value holds. Where there are deeper keys, only an
        // object is in sight.
        const objectsOnly = depth - ownDepth + (tree.firstChild(node) === NONE ? 0 : 1);
        const own = tree.text(above);
        return own && textAt(own, path.slice(ownDepth), objectsOnly);
      }
      node = child;
      if (tree.hasText(node)) {
        above = node;
        ownDepth = depth + 1;
      }
    }
    const own = tree.text(above);
    const inherited = path.slice(ownDepth);
    return this.#render(node, own && textAt(own, inherited, inherited.length));
  }

  /** Every key with its entry; with a path, only the keys above, at and under it. May be read while they change. */
  *entries(path: readonly string[] = []): Generator<[key: string, entry: DocumentEntry]> {
    const above: [string, DocumentEntry][] = [];
    let node = ROOT;
    for (const [index, segment] of path.entries()) {
      node = this.#tree.child(node, segment);
      if (node === NONE) return yield* above;
      const entry = this.#entryOf(node);
      if (entry !== undefined) above.push([path.slice(0, index + 1).join("."), entry]);
    }
    // Before anybody else comes to change something.
    const walk = this.#tree.walk(node);
    try {
      yield* above;
      yield* this.#entriesOf(walk, [...path]);
    } finally {
      walk.end();
    }
  }

  /** The parts that make up the document, one after the other. May be read while the document changes. */
  *parts(): Generator<PlacedPart> {
    const walk = this.#tree.walk(ROOT);
    try {
      yield* this.#partsOf(walk);
    } finally {
      walk.end();
    }
  }

  /** The smallest part that must be set anew for the document to be right after this key has changed. */
  partAt(key: string): DocumentPart {
    const path = key.split(".");
    let node = ROOT;
    for (const [index, segment] of path.entries()) {
      node = this.#tree.child(node, segment);
      if (node === NONE) return { path: path.slice(0, index + 1), text: undefined };
      const text = this.#tree.text(node);
      if (text !== undefined) {
        return { path: path.slice(0, index + 1), text: this.#render(node, text) };
      }
    }
    return { path, text: this.#render(node, undefined) };
  }

  /** `names` lead to where the walk began. */
  *#entriesOf(walk: TreeWalk, names: string[]): Generator<[string, DocumentEntry]> {
    for (;;) {
      const child = walk.next();
      if (child === NONE) {
        if (walk.depth === 1) return;
        walk.leave();
        names.pop();
        continue;
      }
      names.push(this.#tree.name(child));
      const entry = this.#entryOf(child);
      const key = names.join(".");
      walk.enter(child);
      if (entry !== undefined) yield [key, entry];
    }
  }

  *#partsOf(walk: TreeWalk): Generator<PlacedPart> {
    const tree = this.#tree;
    const places = [placeIn(undefined, undefined, tree.childCount(ROOT))];
    while (places.length > 0) {
      const place = places.at(-1)!;
      const node = walk.next();
      if (node === NONE) {
        walk.leave();
        places.pop();
        continue;
      }
      const name = tree.name(node);
      const text = tree.text(node);
      if (text !== undefined) yield { place, name, text: this.#render(node, text) };
      else {
        walk.enter(node);
        places.push(placeIn(place, name, tree.childCount(node)));
      }
    }
  }

  #nodeAt(path: readonly string[]): number | undefined {
    let node = ROOT;
    for (const segment of path) {
      node = this.#tree.child(node, segment);
      if (node === NONE) return undefined;
    }
    return node;
  }

  #entryOf(node: number): DocumentEntry | undefined {
    const text = this.#tree.text(node);
    return text === undefined ? undefined : { text, revision: this.#tree.revision(node) };
  }

  #isScalar(node: number): boolean {
    const text = this.#tree.text(node);
    return text !== undefined && !isObjectText(text);
  }

  /** A node's document; `own` is its value, or what the value of a shorter key holds at the same place. */
  #render(node: number, own: string | Fields | undefined): string {
    const tree = this.#tree;
    if (tree.firstChild(node) === NONE && typeof own === "string") return own;
    let fields: Fields | undefined;
    if (typeof own !== "string") fields = own;
    else if (isObjectText(own)) {
      fields = splitObject(own, node, (guide, name) => this.#showsThrough(guide, name));
    }
    fields ??= new Map();
    for (let child = tree.firstChild(node); child !== NONE; child = tree.next(child)) {
      const name = tree.name(child);
      fields.set(name, this.#render(child, tree.text(child) ?? fields.get(name)));
    }
    return objectText(fields);
  }

  /** The node under `name` where the fields of a value above it show through. */
  #showsThrough(node: number, name: string): number | undefined {
    const child = this.#tree.child(node, name);
    const shows = child !== NONE && this.#tree.firstChild(child) !== NONE;
    return shows && !this.#tree.hasText(child) ? child : undefined;
  }
}

/** The place of an object with so many fields under a name of another; without that, of the document itself. */
export function placeIn(above: Place | undefined, name: string | undefined, fields: number): Place {
  if (above === undefined || name === undefined) return { path: [], widths: [fields] };
  return { path: [...above.path, name], widths: [...above.widths, fields] };
}
