/** With more holes the two oldest are taken for one: what they are about is in the store for long. */
const MAX_HOLES = 100;

interface Hole {
  from: number;
  to: number;
}

/**
 * Where what a stream has said is not whole: a copy at a revision in a hole is whole only up to where the hole
 * begins. A hole ends at the revision of the copy that has everything again; what was heard after its end may be in
 * the store later than that was known.
 */
export class Holes {
  readonly #holes: Hole[] = [];

  /** From now on the copy is whole up to this revision only. */
  open(from: number): void {
    const last = this.#holes.at(-1);
    if (last?.to === Infinity) last.from = Math.min(last.from, from);
    else this.#holes.push({ from, to: Infinity });
    if (this.#holes.length <= MAX_HOLES) return;
    const [oldest] = this.#holes.splice(0, 1);
    this.#holes[0]!.from = oldest!.from;
  }

  /** A copy that has come to this revision is whole. */
  close(to: number): void {
    const last = this.#holes.at(-1);
    if (last?.to === Infinity) last.to = to;
  }

  /** Up to which revision a copy at this one is whole. */
  whole(revision: number): number {
    const hole = this.#holes.find(({ from, to }) => from < revision && revision < to);
    return hole?.from ?? revision;
  }
}
