import type { Operands } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber } from "./value.ts";

interface Version {
  readonly numbers: readonly bigint[];
  readonly preRelease: readonly string[];
}

const NUMBER = "(0|[1-9]\\d*)";
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
/** Semantic Versioning 2.0.0; OPA lets a `v` stand before it. */
const VERSION = new RegExp(
  `^v?${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`,
);
const DIGITS = /^\d+$/;
const MAX_NUMBER = 2n ** 63n - 1n;

/** `semver.*`. */
export const semverBuiltins: BuiltinFamily = family({
  "semver.is_valid": (operands) => {
    const version = operands.any(1);
    return typeof version === "string" && parse(version) !== undefined;
  },
  "semver.compare": (operands) =>
    new RegoNumber(compareVersions(versionOf(operands, 1), versionOf(operands, 2))),
});

function versionOf(operands: Operands, position: number): Version {
  const text = operands.string(position);
  const version = parse(text);
  if (version === undefined) {
    throw new Error(`operand ${position}: string ${JSON.stringify(text)} is not a valid SemVer`);
  }
  return version;
}

function parse(text: string): Version | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const numbers = match.slice(1, 4).map(BigInt);
  const preRelease = match[4]?.split(".") ?? [];
  const isPadded = (identifier: string): boolean => /^0\d+$/.test(identifier);
  if (preRelease.some(isPadded) || numbers.some((number) => number > MAX_NUMBER)) return undefined;
  return { numbers, preRelease };
}

function compareVersions(a: Version, b: Version): number {
  for (const [index, number] of a.numbers.entries()) {
    const other = b.numbers[index]!;
    if (number !== other) return number < other ? -1 : 1;
  }
  const [x, y] = [a.preRelease, b.preRelease];
  // A release comes after all that lead to it.
  if (x.length === 0 || y.length === 0) return Number(x.length === 0) - Number(y.length === 0);
  for (let index = 0; index < x.length && index < y.length; index++) {
    const difference = compareIdentifiers(x[index]!, y[index]!);
    if (difference !== 0) return difference;
  }
  return Math.sign(x.length - y.length);
}

/** Numbers come before names. */
function compareIdentifiers(a: string, b: string): number {
  if (a === b) return 0;
  const [first, second] = [DIGITS.test(a), DIGITS.test(b)];
  if (first !== second) return first ? -1 : 1;
  if (first) return BigInt(a) < BigInt(b) ? -1 : 1;
  return a < b ? -1 : 1;
}
