/** To the beginning of the line, and nothing on it. */
const CLEAR = "\r\u001b[K";
const EVERY_MS = 1_000;

/** Writes a line that stands in the place of the one before, where somebody looks at it; "" takes it away. */
export function progressOn(stream: NodeJS.WriteStream): (text: string) => void {
  if (!stream.isTTY) return () => undefined;
  return (text) => void stream.write(CLEAR + text);
}

/** Says on standard error what is waited for, and for how long, where somebody looks at it. */
export async function waitingFor<T>(what: string, result: Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY) return result;
  const progress = progressOn(stderr);
  const startedAt = performance.now();
  const timer = setInterval(() => {
    progress(`${what}, ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  }, EVERY_MS);
  try {
    return await result;
  } finally {
    clearInterval(timer);
    progress("");
  }
}

/** Writes a line to standard error, in the place of what is said of progress there. */
export function noteLine(text: string): void {
  progressOn(process.stderr)("");
  process.stderr.write(`${text}\n`);
}
