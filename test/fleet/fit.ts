export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The straight line that is nearest to the points. */
export function line(
  xs: readonly number[],
  ys: readonly number[],
): { readonly intercept: number; readonly slope: number } {
  const [x, y] = [sum(xs) / xs.length, sum(ys) / ys.length];
  const slope =
    sum(xs.map((value, at) => (value - x) * (ys[at]! - y))) /
    sum(xs.map((value) => (value - x) ** 2));
  return { intercept: y - slope * x, slope };
}

/** `value = first × a + second × b`, as near as can be. */
export function plane(
  as: readonly number[],
  bs: readonly number[],
  values: readonly number[],
): { readonly first: number; readonly second: number } {
  const dot = (one: readonly number[], other: readonly number[]): number =>
    sum(one.map((value, at) => value * other[at]!));
  const [aa, bb, ab, av, bv] = [
    dot(as, as),
    dot(bs, bs),
    dot(as, bs),
    dot(as, values),
    dot(bs, values),
  ];
  const determinant = aa * bb - ab * ab;
  return { first: (av * bb - bv * ab) / determinant, second: (bv * aa - av * ab) / determinant };
}
