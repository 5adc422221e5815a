/** What a walk asks a tree, whose nodes are numbers; 0 is none. */
interface Siblings {
  firstChild(node: number): number;
  next(node: number): number;
}

/** A walk through a tree, from one level to another and back: at each, to one child after the other. */
export class TreeWalk {
  readonly #tree: Siblings;
  /** Which node comes next at each level. */
  readonly #next: number[];
  /** To be called when nobody goes on with it. */
  readonly end: () => void;

  constructor(tree: Siblings, node: number, end: () => void) {
    this.#tree = tree;
    this.#next = [tree.firstChild(node)];
    this.end = end;
  }

  /** How many levels have been entered, the first one included. */
  get depth(): number {
    return this.#next.length;
  }

  /** The next node at this level; 0 when there is none. */
  next(): number {
    const level = this.#next.length - 1;
    const node = this.#next[level]!;
    if (node !== 0) this.#next[level] = this.#tree.next(node);
    return node;
  }

  /** Goes on with the children of the node that {@link next} has just answered with. */
  enter(node: number): void {
    this.#next.push(this.#tree.firstChild(node));
  }

  /** Goes on at the level above. */
  leave(): void {
    this.#next.pop();
  }

  /** To be told that a node goes, and which one comes after it. */
  skip(node: number, after: number): void {
    for (const [level, next] of this.#next.entries()) if (next === node) this.#next[level] = after;
  }
}
