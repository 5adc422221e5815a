/** What one evaluation may print, in characters; each text counts as some more than it has. */
const MAX_PRINTED = 2 ** 16;
/** No text is shown longer. */
const MAX_TEXT = 2 ** 13;
/** What a text counts beside its characters, so that empty ones end, too. */
const COST = 64;

/**
 * What the policy has printed in one evaluation. It is kept until the evaluation counts: one that must wait for a
 * bucket is made again, and would print everything again.
 */
export class Prints {
  #texts: string[] = [];
  #left = MAX_PRINTED;
  #dropped = 0;

  /** Whether anything more would be left out. */
  get isFull(): boolean {
    return this.#left <= 0;
  }

  add(text: string): void {
    if (this.isFull) {
      this.#dropped++;
      return;
    }
    this.#texts.push(text.length > MAX_TEXT ? `${firstOf(text)}...` : text);
    this.#left -= Math.min(text.length, MAX_TEXT) + COST;
  }

  clear(): void {
    this.#texts = [];
    this.#left = MAX_PRINTED;
    this.#dropped = 0;
  }

  /** All of it, in order; the last says whether there was more. */
  take(): readonly string[] {
    const more = this.#dropped > 0 ? ["... and more, which is not shown"] : [];
    const texts = [...this.#texts, ...more];
    this.clear();
    return texts;
  }
}

/** As much of it as is shown, without half a character. */
function firstOf(text: string): string {
  return text.slice(0, MAX_TEXT).replace(/[\uD800-\uDBFF]$/, "");
}
