/** The middle one. */
export function median(values) {
  return quantile(values, 0.5);
}

/** The value below which this share of the values lies. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** How long `run` takes, in milliseconds, and what it answers. */
export async function timed(run) {
  const start = performance.now();
  const value = await run();
  return { ms: performance.now() - start, value };
}

/** Collects garbage where node runs with --expose-gc, so that one side doesn't pay for the other. */
export function collect() {
  globalThis.gc?.();
}
