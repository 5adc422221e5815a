/** Go's `%g` turns to exponents below the one, and from the other on where it is to write all digits. */
const LEAST_EXPONENT = -4;
const SHORTEST_EXPONENT = 6;

/**
 * A float that is not negative, as Go's `strconv.FormatFloat` writes it: style `e`, `f`, `g`, their capitals, `b`
 * or `x`. Without a precision it has as many digits as tell it from every other.
 */
export function formatFloat(value: number, style: string, precision: number | undefined): string {
  switch (style.toLowerCase()) {
    case "f":
      return precision === undefined ? plainDigits(value) : fixed(value, precision);
    case "g":
      return general(value, style, precision);
    case "b":
      return binary(value);
    case "x":
      return hexadecimal(value, style, precision);
    default:
      return exponential(value, style, precision);
  }
}

/** With the `#` flag: always with a point, and `g` and `x` with all their digits, among which Go counts the x. */
export function decimalText(text: string, style: string, precision: number | undefined): string {
  const [mantissa = "", exponent = ""] = text.split(/x/i.test(style) ? /(?=[pP])/ : /(?=[eE])/);
  if (!/^[gGx]$/.test(style)) return mantissa.includes(".") ? text : `${mantissa}.${exponent}`;
  const digits = mantissa.replace(".", "").replace(/^0+/, "");
  const missing = Math.max(0, (precision ?? 6) - Math.max(digits.length, digits === "" ? 1 : 0));
  const point = mantissa.includes(".") ? "" : ".";
  return `${mantissa}${point}${"0".repeat(missing)}${exponent}`;
}

/** `toFixed` and its like stop at 100 places, after which a float has only zeros for a policy's purposes. */
const MAX_PLACES = 100;

function fixed(value: number, places: number): string {
  const known = Math.min(places, MAX_PLACES);
  // From 1e21 on `toFixed` turns to exponents.
  const text =
    value >= 1e21
      ? BigInt(value).toString() + (known > 0 ? `.${"0".repeat(known)}` : "")
      : value.toFixed(known);
  return text + "0".repeat(places - known);
}

function exponential(value: number, style: string, precision: number | undefined): string {
  const known = precision === undefined ? undefined : Math.min(precision, MAX_PLACES);
  const [mantissa = "", exponent = ""] = value.toExponential(known).split("e");
  const zeros = "0".repeat((precision ?? 0) - (known ?? 0));
  const size = exponent.slice(1).padStart(2, "0");
  return `${mantissa}${zeros}${style}${exponent.slice(0, 1)}${size}`;
}

function general(value: number, style: string, precision: number | undefined): string {
  const marker = style === "G" ? "E" : "e";
  const digits = precision === 0 ? 1 : precision;
  const known = digits === undefined ? undefined : Math.min(digits - 1, MAX_PLACES);
  const [mantissa = "", power = "0"] = value.toExponential(known).split("e");
  const exponent = Number(power);
  const significant = mantissa.replace(".", "").replace(/0+$/, "").length;
  const limit = digits ?? SHORTEST_EXPONENT;
  const places = Math.max(significant - 1, 0);
  if (exponent < LEAST_EXPONENT || exponent >= limit) return exponential(value, marker, places);
  return fixed(value, Math.max(places - exponent, 0));
}

function plainDigits(value: number): string {
  const [mantissa = "", power = "0"] = value.toExponential().split("e");
  const places = mantissa.replace(".", "").length - 1 - Number(power);
  return fixed(value, Math.max(places, 0));
}

function parts(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  if (biased === 0) return { mantissa: fraction, exponent: -1074 };
  return { mantissa: fraction | (1n << 52n), exponent: biased - 1075 };
}

function binary(value: number): string {
  const { mantissa, exponent } = parts(value);
  return `${mantissa}p${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`;
}

function hexadecimal(value: number, style: string, precision: number | undefined): string {
  let { mantissa, exponent } = parts(value);
  if (mantissa === 0n) exponent = 0;
  else {
    while (mantissa < 1n << 52n) {
      mantissa <<= 1n;
      exponent--;
    }
    exponent += 52;
  }
  if (precision !== undefined && precision < 13 && mantissa > 0n) {
    const cut = BigInt((13 - precision) * 4);
    const [kept, rest, half] = [mantissa >> cut, mantissa & ((1n << cut) - 1n), 1n << (cut - 1n)];
    mantissa = (kept + (rest > half || (rest === half && kept % 2n === 1n) ? 1n : 0n)) << cut;
    if (mantissa >= 1n << 53n) {
      mantissa >>= 1n;
      exponent++;
    }
  }
  const [lead, digits] = [mantissa >> 52n, (mantissa & ((1n << 52n) - 1n)).toString(16)];
  let fraction = digits.padStart(13, "0");
  fraction =
    precision === undefined
      ? fraction.replace(/0+$/, "")
      : fraction.padEnd(precision, "0").slice(0, precision);
  const size = String(Math.abs(exponent)).padStart(2, "0");
  const point = fraction === "" ? "" : `.${fraction}`;
  const text = `0x${lead}${point}p${exponent < 0 ? "-" : "+"}${size}`;
  return style === "X" ? text.toUpperCase() : text;
}
