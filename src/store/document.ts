import { isObjectText, objectFields, objectText, textAt } from "../common/json-text.ts";

/** The value that a key holds in a document, and the revision that put it there. */
export interface DocumentEntry {
  readonly text: string;
  readonly revision: number;
}

class Node {
  text: string | undefined = undefined;
  revision = 0;
  children: Map<string, Node> | undefined = undefined;
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
      if (child === undefined) node.children.set(segment, (child = new Node()));
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
    let node: Node | undefined = this.#root;
    let inherited: string | undefined;
    for (const [depth, segment] of path.entries()) {
      const own: string | undefined = node.text ?? inherited;
      const child: Node | undefined = node.children?.get(segment);
      if (child === undefined) {
        // Below the deepest key there is only what its own value holds.
        if (own === undefined || (node.children !== undefined && !isObjectText(own)))
          return undefined;
        return textAt(own, path.slice(depth));
      }
      inherited =
        own !== undefined && isObjectText(own) ? objectFields(own).get(segment) : undefined;
      node = child;
    }
    if (node === this.#root && node.children === undefined) return "{}";
    return render(node, inherited);
  }

  /** Every key with its entry; with a path, only the keys that decide what stands there: above, at and under it. */
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

/** A node's document; `inherited` is what the value of a shorter key holds at the same place. */
function render(node: Node, inherited: string | undefined): string {
  const own = node.text ?? inherited;
  if (node.children === undefined) return own!;
  const fields =
    own !== undefined && isObjectText(own) ? objectFields(own) : new Map<string, string>();
  for (const [segment, child] of node.children) {
    fields.set(segment, render(child, fields.get(segment)));
  }
  return objectText(fields);
}
