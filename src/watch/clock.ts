/** Time and chance, so that tests can decide both. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  /** Milliseconds since the epoch, as the machine has it: it may be set, and go back. */
  epochMs(): number;
  /** Calls once, after `ms` milliseconds, unless the answer is called before. */
  after(ms: number, call: () => void): () => void;
  /** Calls every `ms` milliseconds until the answer is called; keeps no process alive. */
  every(ms: number, call: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

/** Timers can't wait longer than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  epochMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, Math.min(ms, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
  every(ms, call) {
    const timer = setInterval(call, Math.min(ms, MAX_TIMER_MS)).unref();
    return () => clearInterval(timer);
  },
  random: () => Math.random(),
};

/** Resolves after `ms` milliseconds, or as soon as the signal aborts. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const wake = (): void => {
      cancel();
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const cancel = clock.after(ms, wake);
    signal.addEventListener("abort", wake);
  });
}
