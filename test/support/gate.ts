/** Lets what one side of a connection sends wait, in its order, until the test says so. */
export class Gate {
  #waiting: (() => void)[] | undefined;
  #text = "";
  readonly #sought = new Map<string, () => void>();

  get isShut(): boolean {
    return this.#waiting !== undefined;
  }

  shut(): void {
    this.#waiting ??= [];
  }

  /** Hands on what has waited, and from now on everything at once. */
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#text = "";
    for (const handOn of waiting) handOn();
  }

  /** Resolves once what waits contains this text. */
  async holds(text: string): Promise<void> {
    if (this.#text.includes(text)) return;
    await new Promise<void>((resolve) => this.#sought.set(text, resolve));
  }

  /** Only while it is shut. */
  keep(chunk: Buffer, handOn: () => void): void {
    this.#waiting!.push(handOn);
    this.#text += chunk.toString("latin1");
    for (const [text, found] of this.#sought) {
      if (!this.#text.includes(text)) continue;
      this.#sought.delete(text);
      found();
    }
  }
}
