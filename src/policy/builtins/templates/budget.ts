/** What one template may take: some hundred thousand actions, or 32 MiB of text, and a second's work at most. */
const MAX_WORK = 1_000_000;
/** Characters that are made or read in the time of one step. */
const CHARACTERS_PER_STEP = 32;

/** What a template may still do. It may come from anyone, and nothing else ends one that never would. */
export class Budget {
  #left = MAX_WORK;

  /** Throws when it is spent. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) {
      throw new Error(`template: it takes more than ${MAX_WORK} steps`);
    }
  }

  /** For so much text that is made or read. */
  spendText(length: number): void {
    this.spend(length / CHARACTERS_PER_STEP);
  }

  /** How much text may still be made. */
  get text(): number {
    return this.#left * CHARACTERS_PER_STEP;
  }
}
