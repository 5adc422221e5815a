import { type NameMap, WIDE_SIZE, WideMap } from "./wide-map.ts";
import { type Fields, isObjectText, objectText, splitObject, textAt } from "../common/json-text.ts";

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

class Node {
  text: string | undefined = undefined;
  revision = 0;
  children: NameMap<Node> | undefined = undefined;
}

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
  #root = new Node();
  #size = 0;
  #hidden = new Set<string>();

  /** How many keys hold a value. */
  get size(): number {
    return this.#size;
  }

  /** The keys whose value is hidden by deeper keys, in no particular order. */
  get hidden(): ReadonlySet<string> {
    return this.#hidden;
  }

  /** Sets a key's value; the answer is the entry it replaces. */
  put(key: string, text: string, revision: number): DocumentEntry | undefined {
    let node = this.#root;
    let start = 0;
    while (start <= key.length) {
      let end = key.indexOf(".", start);
      if (end < 0) end = key.length;
      const segment = key.slice(start, end);
      if (node.children === undefined) {
        node.children = new Map();
        if (isScalar(node)) this.#hidden.add(key.slice(0, start - 1));
      }
      let child = node.children.get(segment);
      if (child === undefined) {
        child = new Node();
        node.children.set(segment, child);
        if (node.children.size === WIDE_SIZE && !(node.children instanceof WideMap))
          node.children = new WideMap(node.children);
      }
      node = child;
      start = end + 1;
    }
    const previous = entryOf(node);
    if (previous === undefined) this.#size++;
    node.text = text;
    node.revision = revision;
    if (node.children !== undefined) {
      if (isObjectText(text)) this.#hidden.delete(key);
      else this.#hidden.add(key);
    }
    return previous;
  }

  /** Removes a key's own value, never that of a deeper key; the answer is the entry removed. */
  remove(key: string): DocumentEntry | undefined {
    const segments = key.split(".");
    const trail = [this.#root];
    for (const segment of segments) {
      const child = trail[trail.length - 1]!.children?.get(segment);
      if (child === undefined) return undefined;
      trail.push(child);
    }
    const node = trail[trail.length - 1]!;
    const previous = entryOf(node);
    if (previous === undefined) return undefined;
    node.text = undefined;
    this.#size--;
    this.#hidden.delete(key);
    for (let depth = segments.length; depth > 0; depth--) {
      const { text, children } = trail[depth]!;
      if (text !== undefined || children !== undefined) break;
      const parent = trail[depth - 1]!;
      parent.children!.delete(segments[depth - 1]!);
      if (parent.children!.size > 0) break;
      parent.children = undefined;
      this.#hidden.delete(segments.slice(0, depth - 1).join("."));
    }
    return previous;
  }

  /** The entry of exactly this key, hidden or not. */
  entry(key: string): DocumentEntry | undefined {
    const node = this.#nodeAt(key.split("."));
    return node && entryOf(node);
  }

  /** The JSON text of the document at `path`, or undefined where there is nothing. An empty document is `{}`. */
  text(path: readonly string[] = []): string | undefined {
    let node = this.#root;
    // The value nearest above, and how many segments lead to it: it also decides what stands further down.
    let own: string | undefined;
    let ownDepth = 0;
    for (const [depth, segment] of path.entries()) {
      const child = node.children?.get(segment);
      if (child === undefined) {
        // Below the deepest key there is only what a value holds. Where there are deeper keys, only an
        // object is in sight.
        const objectsOnly = depth - ownDepth + (node.children === undefined ? 0 : 1);
        return own && textAt(own, path.slice(ownDepth), objectsOnly);
      }
      node = child;
      if (node.text !== undefined) {
        own = node.text;
        ownDepth = depth + 1;
      }
    }
    const inherited = path.slice(ownDepth);
    return render(node, own && textAt(own, inherited, inherited.length));
  }

  /** Every key with its entry; with a path, only the keys above, at and under it. */
  *entries(path: readonly string[] = []): Generator<[key: string, entry: DocumentEntry]> {
    let node: Node | undefined = this.#root;
    const walked: string[] = [];
    for (const segment of path) {
      node = node.children?.get(segment);
      if (node === undefined) return;
      walked.push(segment);
      const entry = entryOf(node);
      if (entry !== undefined && walked.length < path.length) yield [walked.join("."), entry];
    }
    yield* walk(node, walked.join("."));
  }

  /** The parts that make up the document, one after the other. May be read while the document changes. */
  parts(): Generator<PlacedPart> {
    return walkParts(this.#root);
  }

  /** The smallest part that must be set anew for the document to be right after this key has changed. */
  partAt(key: string): DocumentPart {
    const path = key.split(".");
    let node = this.#root;
    for (const [index, segment] of path.entries()) {
      const child = node.children?.get(segment);
      if (child === undefined) return { path: path.slice(0, index + 1), text: undefined };
      if (child.text !== undefined) {
        return { path: path.slice(0, index + 1), text: render(child, child.text) };
      }
      node = child;
    }
    return { path, text: render(node, undefined) };
  }

  #nodeAt(path: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const segment of path) {
      node = node.children?.get(segment);
      if (node === undefined) return undefined;
    }
    return node;
  }
}

function isScalar(node: Node): boolean {
  return node.text !== undefined && !isObjectText(node.text);
}

function entryOf(node: Node): DocumentEntry | undefined {
  return node.text === undefined ? undefined : { text: node.text, revision: node.revision };
}

function* walk(node: Node, key: string): Generator<[string, DocumentEntry]> {
  const entry = entryOf(node);
  if (entry !== undefined) yield [key, entry];
  if (node.children === undefined) return;
  for (const [segment, child] of node.children) {
    yield* walk(child, key === "" ? segment : `${key}.${segment}`);
  }
}

function* walkParts(node: Node, name?: string, above?: Place): Generator<PlacedPart> {
  if (node.children === undefined) return;
  const place = placeIn(above, name, node.children.size);
  for (const [segment, child] of node.children) {
    if (child.text === undefined) yield* walkParts(child, segment, place);
    else yield { place, name: segment, text: render(child, child.text) };
  }
}

/** The place of an object with so many fields under a name of another; without that, of the document itself. */
export function placeIn(above: Place | undefined, name: string | undefined, fields: number): Place {
  if (above === undefined || name === undefined) return { path: [], widths: [fields] };
  return { path: [...above.path, name], widths: [...above.widths, fields] };
}

/** The node under `name` where the fields of a value above it show through. */
function showsThrough(node: Node, name: string): Node | undefined {
  const child = node.children?.get(name);
  return child?.children !== undefined && child.text === undefined ? child : undefined;
}

/** A node's document; `own` is its value, or what the value of a shorter key holds at the same place. */
function render(node: Node, own: string | Fields | undefined): string {
  if (node.children === undefined && typeof own === "string") return own;
  let fields: Fields | undefined;
  if (typeof own !== "string") fields = own;
  else if (isObjectText(own)) fields = splitObject(own, node, showsThrough);
  fields ??= new Map();
  for (const [segment, child] of node.children ?? []) {
    fields.set(segment, render(child, child.text ?? fields.get(segment)));
  }
  return objectText(fields);
}
