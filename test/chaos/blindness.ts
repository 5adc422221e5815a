/** Of whom and of what: undefined means all. */
export interface Scope {
  readonly subject?: string;
  readonly bucket?: string;
}

interface Window extends Scope {
  readonly from: number;
  /** When the fault ended, and the time to recover from it had passed. */
  to: number;
}

/** No chain of faults is longer. */
const REMEMBERED_MS = 120_000;

/** When which bridge could not know what is true, because a fault stood between it and NATS. */
export class Blindness {
  #windows: Window[] = [];

  /** A fault begins. The answer ends it: `recoveryMs` later the bridge has to know again. */
  begin(scope: Scope = {}): (recoveryMs: number) => void {
    const now = performance.now();
    const window: Window = { ...scope, from: now, to: Infinity };
    this.#windows = this.#windows.filter(({ to }) => to > now - REMEMBERED_MS);
    this.#windows.push(window);
    return (recoveryMs) => {
      window.to = performance.now() + recoveryMs;
    };
  }

  /** Since when what a bridge says at a moment may be out of date, when it may be so by `budgetMs` without a fault. */
  excuse(subject: string, bucket: string, asked: number, budgetMs: number): number {
    let since = asked - budgetMs;
    // Faults that follow each other before the bridge has recovered are one fault.
    for (let found = true; found;) {
      found = false;
      for (const window of this.#windows) {
        if (window.subject !== undefined && window.subject !== subject) continue;
        if (window.bucket !== undefined && window.bucket !== bucket) continue;
        if (window.from > asked || window.to < since + budgetMs) continue;
        if (window.from - budgetMs >= since) continue;
        since = window.from - budgetMs;
        found = true;
      }
    }
    return since;
  }
}
