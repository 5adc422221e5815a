/** How long an answer may take before the same is asked once more, in milliseconds. */
const PATIENCE_MS = 1_000;

/**
 * Asks again, every second, while there is no answer; the first one counts, whichever question it belongs to. What
 * is asked while a stream has no leader is lost without a word: one question alone would wait out its whole time,
 * although there is somebody to answer the next. For questions that change nothing.
 */
export function askAgain<T>(ask: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const over =
      <A>(settle: (answer: A) => void) =>
      (answer: A): void => {
        clearInterval(timer);
        settle(answer);
      };
    const once = (): void => void ask().then(over<T>(resolve), over(reject));
    timer = setInterval(once, PATIENCE_MS).unref();
    once();
  });
}
