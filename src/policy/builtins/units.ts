import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber } from "./value.ts";
import { Rational } from "./rational.ts";

const POWERS = ["k", "m", "g", "t", "p", "e"] as const;
/** More digits in an exponent are refused, as in OPA: writing such a number out would take for ever. */
const MAX_EXPONENT_DIGITS = 6;
const AMOUNT = /^(?:[\d.+-]|[eE](?=[\d+-])[+-]?)*/;

/** `units.parse` and `units.parse_bytes`. */
export const unitBuiltins: BuiltinFamily = family({
  "units.parse": (operands) => {
    const { amount, unit } = split(operands.string(1).replaceAll('"', ""), "no amount provided");
    // Only `m` (milli) and `M` (mega) are told apart.
    const name = unit.slice(0, 1) + unit.slice(1).toLowerCase();
    const value = rational(amount, "could not parse amount to a number").times(siFactor(name));
    return new RegoNumber(value.isInteger ? value.truncated : value.toFixed(10));
  },
  "units.parse_bytes": (operands) => {
    const text = operands.string(1).toLowerCase().replaceAll('"', "");
    const { amount, unit } = split(text, "no byte amount provided");
    const factor = byteFactor(unit);
    if (factor === undefined) throw new Error(`byte unit ${unit} not recognized`);
    const value = rational(amount, "could not parse byte amount to a number").times(factor);
    return new RegoNumber(value.truncated);
  },
});

function split(text: string, missing: string): { amount: string; unit: string } {
  if (text.includes(" ")) throw new Error("spaces not allowed in resource strings");
  const amount = AMOUNT.exec(text)![0];
  const exponent = /e[+-]?(\d+)/i.exec(amount)?.[1] ?? "";
  if (exponent.length > MAX_EXPONENT_DIGITS) throw new Error("exponent too large");
  if (amount === "") throw new Error(missing);
  return { amount, unit: text.slice(amount.length) };
}

function rational(amount: string, otherwise: string): Rational {
  const value = Rational.parse(amount);
  if (value === undefined) throw new Error(otherwise);
  return value;
}

function siFactor(unit: string): Rational {
  if (unit === "m") return Rational.of(1n, 1000n);
  const factor = unit === "M" ? 1_000_000n : power(unit.toLowerCase());
  if (factor === undefined) throw new Error(`unit ${unit} not recognized`);
  return Rational.of(factor);
}

function byteFactor(unit: string): Rational | undefined {
  const factor = power(unit.replace(/b$/, ""));
  return factor === undefined || unit === "b" ? undefined : Rational.of(factor);
}

/** Of 1000 (`k`), or of 1024 (`ki`). */
function power(unit: string): bigint | undefined {
  if (unit === "") return 1n;
  const exponent = BigInt(POWERS.indexOf(unit.slice(0, 1) as (typeof POWERS)[number]) + 1);
  if (exponent === 0n) return undefined;
  if (unit.length === 1) return 1000n ** exponent;
  return unit.slice(1) === "i" ? 1024n ** exponent : undefined;
}
