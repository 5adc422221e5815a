const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** A fraction, exact. */
export class Rational {
  readonly #numerator: bigint;
  readonly #denominator: bigint;

  private constructor(numerator: bigint, denominator: bigint) {
    this.#numerator = numerator;
    this.#denominator = denominator;
  }

  static of(numerator: bigint, denominator = 1n): Rational {
    return new Rational(numerator, denominator);
  }

  /** A decimal number; undefined for what is none. */
  static parse(text: string): Rational | undefined {
    const match = DECIMAL.exec(text);
    if (match === null) return undefined;
    const [, sign, whole = "", fraction = "", exponent = "0"] = match;
    if (whole + fraction === "") return undefined;
    const digits = BigInt(`${whole}${fraction}`) * (sign === "-" ? -1n : 1n);
    const power = Number(exponent) - fraction.length;
    const scale = 10n ** BigInt(Math.abs(power));
    return power < 0 ? new Rational(digits, scale) : new Rational(digits * scale, 1n);
  }

  get isInteger(): boolean {
    return this.#numerator % this.#denominator === 0n;
  }

  /** The whole number next to it towards zero. */
  get truncated(): bigint {
    return this.#numerator / this.#denominator;
  }

  times(other: Rational): Rational {
    return new Rational(this.#numerator * other.#numerator, this.#denominator * other.#denominator);
  }

  /** Rounded to so many decimal places, half away from zero. */
  toFixed(places: number): string {
    const scale = 10n ** BigInt(places);
    const negative = this.#numerator < 0n;
    const size = negative ? -this.#numerator : this.#numerator;
    const rounded = (size * scale * 2n + this.#denominator) / (this.#denominator * 2n);
    const digits = rounded.toString().padStart(places + 1, "0");
    const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
    return negative && rounded > 0n ? `-${text}` : text;
  }
}
