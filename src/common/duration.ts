const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  // Go accepts both the micro sign and the Greek letter.
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const NANOSECONDS_PER_MS = 1e6;

// Go keeps a duration in 64 bits of nanoseconds.
const MAX_MS = 2 ** 63 / NANOSECONDS_PER_MS;

/**
 * The milliseconds of a duration in Go's syntax: numbers with a unit (`ns`, `us`, `ms`, `s`, `m`,
 * `h`), one after the other, such as `"10m"`, `"1h30m"`, `"1.5s"` or `"-2s"`; only `"0"` needs no
 * unit.
 *
 * Throws a `SyntaxError` for any other text, a `RangeError` for more than Go's 292 years.
 */
export function parseDuration(text: string): number {
  const unsigned = text.replace(/^[+-]/, "");
  if (unsigned === "0") return 0;
  let total = 0;
  let end = 0;
  for (const part of unsigned.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy)) {
    total += wholeNanoseconds(Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? Number.NaN));
    end = part.index + part[0].length;
  }
  if (unsigned === "" || end !== unsigned.length) {
    throw new SyntaxError('a duration is numbers with a unit, such as "250ms", "10s" or "1h30m"');
  }
  if (total > MAX_MS) throw new RangeError("a duration can't be longer than 292 years");
  return text.startsWith("-") && total > 0 ? -total : total;
}

/**
 * Without the error of a decimal fraction (1.1 s is 1100 ms); a part too large to have one stays.
 */
function wholeNanoseconds(ms: number): number {
  const nanoseconds = Math.round(ms * NANOSECONDS_PER_MS);
  return Number.isSafeInteger(nanoseconds) ? nanoseconds / NANOSECONDS_PER_MS : ms;
}

/**
 * The shortest usual writing of a number of milliseconds: `"10m"`, `"1h30m"`, `"1.5s"`, `"250ms"`,
 * `"0s"`. `parseDuration` reads it back. Throws a `RangeError` for what is not a finite number.
 */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) throw new RangeError(`a duration must be a finite number, not ${ms}`);
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms === 0) return "0s";
  if (ms < 1) return `${decimal(ms * 1_000)}us`;
  if (ms < 1_000) return `${decimal(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  return [
    hours > 0 ? `${hours}h` : "",
    minutes > 0 ? `${minutes}m` : "",
    seconds > 0 ? `${decimal(seconds)}s` : "",
  ].join("");
}

/** At most nine decimals and never an exponent, which Go's syntax doesn't have. */
function decimal(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, "");
}
