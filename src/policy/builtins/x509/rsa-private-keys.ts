import { RegoNumber, RegoObject } from "../value.ts";
import { KEY_ALGORITHM } from "./algorithms.ts";
import { DerReader, TAG } from "./der.ts";
import type { PrivateKey } from "./private-keys.ts";
import { rsaPublicValue } from "./public-keys.ts";

const PROBLEM = "x509: malformed RSA private key";

interface Numbers {
  readonly n: bigint;
  readonly e: bigint;
  readonly d: bigint;
  readonly p: bigint;
  readonly q: bigint;
  readonly dp: bigint;
  readonly dq: bigint;
  readonly qi: bigint;
}

/** An RSA key in PKCS #1. Throws for one whose numbers don't belong together, or that has more than two primes. */
export function rsaPrivateKey(der: Buffer): PrivateKey {
  const outer = new DerReader(der);
  const reader = outer.sequence(PROBLEM);
  if (!outer.isEmpty) throw new Error("asn1: syntax error: trailing data");
  if (reader.int64(PROBLEM) > 1n) throw new Error("x509: unsupported private key version");
  const n = reader.integer(PROBLEM);
  const e = reader.int64(PROBLEM);
  const [d = 0n, p = 0n, q = 0n] = [0, 1, 2].map(() => reader.integer(PROBLEM));
  const [dp, dq, qi] = [0, 1, 2].map(() =>
    reader.isNext(TAG.integer) ? reader.integer(PROBLEM) : undefined,
  );
  if (reader.isNext(TAG.sequence)) {
    throw new Error("x509: RSA keys of more than two primes are not supported");
  }
  if ([n, d, p, q, dp, dq, qi].some((number) => number !== undefined && number <= 0n)) {
    throw new Error("x509: private key contains zero or negative value");
  }
  const given = { n, e, d, p, q };
  const numbers =
    dp === undefined || dq === undefined || qi === undefined
      ? withoutPrecomputed(given)
      : { ...given, dp, dq, qi };
  check(numbers);
  return {
    kind: "RSA",
    public: { algorithm: KEY_ALGORITHM.rsa, curve: undefined, value: rsaPublicValue(n, e) },
    value: valueOf(numbers),
    jwk: () => jwkOf(numbers),
  };
}

type Given = Pick<Numbers, "n" | "e" | "d" | "p" | "q">;

function withoutPrecomputed(given: Given): Numbers {
  const { d, p, q } = given;
  if (p < 2n || q < 2n) throw new Error("crypto/rsa: invalid prime");
  return { ...given, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q % p, p) };
}

/** What `a` is to be multiplied with to be 1 modulo `modulus`; 0 where there is no such number. */
function inverse(a: bigint, modulus: bigint): bigint {
  let [previous, rest] = [modulus, a];
  let [before, factor] = [0n, 1n];
  while (rest !== 0n) {
    const quotient = previous / rest;
    [previous, rest] = [rest, previous - quotient * rest];
    [before, factor] = [factor, before - quotient * factor];
  }
  if (previous !== 1n) return 0n;
  return before < 0n ? before + modulus : before;
}

/** Go's own checks: the numbers belong together, and don't make the key easy to break. */
function check({ n, e, d, p, q, dp, dq, qi }: Numbers): void {
  const isExponent = (dPrime: bigint, prime: bigint): boolean =>
    prime > 1n &&
    dPrime < prime - 1n &&
    (e * dPrime) % (prime - 1n) === 1n &&
    d % (prime - 1n) === dPrime;
  const difference = p > q ? p - q : q - p;
  const half = Math.floor(bitLength(n) / 2);
  const isSound =
    n % 2n === 1n &&
    e > 1n &&
    e % 2n === 1n &&
    e < 2n ** 31n &&
    d < n &&
    p < n &&
    q < n &&
    (p * q) % n === 0n &&
    isExponent(dp, p) &&
    isExponent(dq, q) &&
    qi < p &&
    ((q % p) * qi) % p === 1n &&
    bitLength(difference) > half - 100 &&
    difference > 0n &&
    bitLength(d) > half;
  if (!isSound) throw new Error("crypto/rsa: the key's numbers don't belong together");
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

function valueOf({ n, e, d, p, q, dp, dq, qi }: Numbers): RegoObject {
  const number = (value: bigint): RegoNumber => new RegoNumber(value);
  return new RegoObject([
    ["N", number(n)],
    ["E", number(e)],
    ["D", number(d)],
    ["Primes", [number(p), number(q)]],
    [
      "Precomputed",
      new RegoObject([
        ["Dp", number(dp)],
        ["Dq", number(dq)],
        ["Qinv", number(qi)],
        ["CRTValues", []],
      ]),
    ],
  ]);
}

function jwkOf(numbers: Numbers): Record<string, string> {
  const fields = Object.entries(numbers).map(([name, value]: [string, bigint]) => {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    return [name, bytes.toString("base64url")];
  });
  return { kty: "RSA", ...(Object.fromEntries(fields) as Record<string, string>) };
}
