const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/**
 * The bytes of a size: a whole number of bytes, or text such as "512", "64MiB", "1.5 GB" (units B,
 * kB, MB, GB, KiB, MiB, GiB). Throws a `SyntaxError` for anything else, a `RangeError` for one that
 * is not a whole, exact number.
 */
export function parseBytes(value: unknown): number {
  const bytes = typeof value === "string" ? parseText(value) : value;
  if (typeof bytes !== "number") throw new SyntaxError("a size is a number or text");
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new RangeError("a size is a whole number of bytes, not negative, at most 2^53");
  }
  return bytes;
}

function parseText(text: string): number {
  const parts = /^(\d+(?:\.\d+)?) ?([kKMG]i?B|B)?$/.exec(text);
  const unit = UNITS[parts?.[2] ?? "B"];
  if (parts === null || unit === undefined) throw new SyntaxError("not a size with a known unit");
  return Math.floor(Number(parts[1]) * unit);
}

/** The largest binary unit that gives a whole number: "1GiB", "1536KiB", "1000B". */
export function formatBytes(bytes: number): string {
  for (const unit of ["GiB", "MiB", "KiB"]) {
    const size = UNITS[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
