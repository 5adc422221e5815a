import { goQuote } from "./go-quote.ts";

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n,
  "\u03bcs": 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  // OPA's own additions to Go's durations.
  d: 24n * 3_600_000_000_000n,
  w: 7n * 24n * 3_600_000_000_000n,
  y: 365n * 24n * 3_600_000_000_000n,
};
const MAX_NANOSECONDS = 2n ** 63n - 1n;
const SEGMENT = /(\d*)(?:\.(\d*))?([^\d.]*)/y;

/** A duration as Go writes it (`1h30m`), with days, weeks and years; in nanoseconds. */
export function parseDuration(text: string): bigint {
  const invalid = (why = "invalid duration"): Error => new Error(`time: ${why} ${goQuote(text)}`);
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/s.exec(text)!;
  if (rest === "0") return 0n;
  if (rest === "") throw invalid();
  let total = 0n;
  for (SEGMENT.lastIndex = 0; SEGMENT.lastIndex < rest.length;) {
    const [whole, digits = "", fraction = "", unit = ""] = SEGMENT.exec(rest) ?? [];
    if (whole === undefined || digits + fraction === "") throw invalid();
    if (unit === "") throw invalid("missing unit in duration");
    const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit]! : undefined;
    if (factor === undefined) throw invalid(`unknown unit ${goQuote(unit)} in duration`);
    total += (BigInt(`${digits}${fraction}`) * factor) / 10n ** BigInt(fraction.length);
    if (total > MAX_NANOSECONDS + (sign === "-" ? 1n : 0n)) throw invalid();
  }
  return sign === "-" ? -total : total;
}
