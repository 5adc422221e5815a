import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";
import { RegoNumber, RegoObject, type Value } from "../value.ts";
import {
  type AlgorithmIdentifier,
  isNull,
  KEY_ALGORITHM,
  keyAlgorithm,
  type SignatureAlgorithm,
} from "./algorithms.ts";
import { DerReader, unsigned } from "./der.ts";
import { base64 } from "./go-values.ts";

/** A public key as Go has it, and as Node has it. */
export interface PublicKey {
  readonly algorithm: number;
  /** The object identifier of an elliptic curve's name. */
  readonly curve: string | undefined;
  readonly value: Value;
  /** Undefined where signatures by it are not accepted. */
  readonly key: () => KeyObject | undefined;
}

export interface Curve {
  /** What comes before the point in a SubjectPublicKeyInfo. */
  readonly prefix: Buffer;
  /** How long a coordinate is. */
  readonly bytes: number;
  readonly opensslName: string;
  /** Undefined where JWKs have no such curve. */
  readonly jwkName: string | undefined;
}

function curve(prefix: string, bytes: number, opensslName: string, jwkName?: string): Curve {
  return { prefix: Buffer.from(prefix, "hex"), bytes, opensslName, jwkName };
}

const EC = "06072a8648ce3d0201";
/** The curves that Go knows: P-224, P-256, P-384 and P-521. */
export const CURVES: ReadonlyMap<string, Curve> = new Map([
  ["1.3.132.0.33", curve(`304e3010${EC}06052b81040021033a00`, 28, "secp224r1")],
  [
    "1.2.840.10045.3.1.7",
    curve(`30593013${EC}06082a8648ce3d030107034200`, 32, "prime256v1", "P-256"),
  ],
  ["1.3.132.0.34", curve(`30763010${EC}06052b81040022036200`, 48, "secp384r1", "P-384")],
  ["1.3.132.0.35", curve(`30819b3010${EC}06052b8104002303818600`, 66, "secp521r1", "P-521")],
]);
const ED25519_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** The public key of a certificate; undefined where its algorithm is not known. Throws for one that is no key. */
export function publicKeyOf(
  { oid, parameters }: AlgorithmIdentifier,
  bytes: Buffer,
): PublicKey | undefined {
  const algorithm = keyAlgorithm(oid);
  switch (algorithm) {
    case KEY_ALGORITHM.rsa:
      if (!isNull(parameters)) throw new Error("x509: RSA key missing NULL parameters");
      return rsaKey(new DerReader(bytes).sequence("x509: invalid RSA public key"));
    case KEY_ALGORITHM.ecdsa:
      return ecKey(new DerReader(parameters).oid("x509: invalid ECDSA parameters"), bytes);
    case KEY_ALGORITHM.ed25519: {
      if (parameters.length > 0) {
        throw new Error("x509: Ed25519 key encoded with illegal parameters");
      }
      if (bytes.length !== 32) throw new Error("x509: wrong Ed25519 public key size");
      const spki = Buffer.concat([ED25519_PREFIX, bytes]);
      return { algorithm, curve: undefined, value: base64(bytes), key: () => keyOf(spki) };
    }
    case KEY_ALGORITHM.dsa:
      return dsaKey(parameters, bytes);
    default:
      return undefined;
  }
}

function rsaKey(reader: DerReader): PublicKey {
  const n = reader.integer("x509: invalid RSA modulus");
  const e = reader.int64("x509: invalid RSA public exponent");
  if (n <= 0n) throw new Error("x509: RSA modulus is not a positive number");
  if (e <= 0n) throw new Error("x509: RSA public exponent is not a positive number");
  return {
    algorithm: KEY_ALGORITHM.rsa,
    curve: undefined,
    value: rsaPublicValue(n, e),
    key: () => rsaVerificationKey(n, e),
  };
}

/** An `rsa.PublicKey` of Go. */
export function rsaPublicValue(n: bigint, e: bigint): RegoObject {
  return new RegoObject([
    ["N", new RegoNumber(n)],
    ["E", new RegoNumber(e)],
  ]);
}

/** Go verifies nothing with keys below 1024 bits, nor with those that can't be right. */
function rsaVerificationKey(n: bigint, e: bigint): KeyObject | undefined {
  const isOdd = (value: bigint): boolean => (value & 1n) === 1n;
  if (n < 2n ** 1023n || !isOdd(n) || e < 2n || !isOdd(e) || e >= 2n ** 31n) return undefined;
  const text = (value: bigint): string => {
    const hex = value.toString(16);
    return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url");
  };
  return createPublicKey({ key: { kty: "RSA", n: text(n), e: text(e) }, format: "jwk" });
}

function ecKey(curveOid: string, point: Buffer): PublicKey {
  const curve = CURVES.get(curveOid);
  if (curve === undefined) throw new Error("x509: unsupported elliptic curve");
  const spki = Buffer.concat([curve.prefix, point]);
  let key: KeyObject | undefined;
  // A point that is not on the curve is refused by it.
  if (point[0] === 0x04 && point.length === 1 + 2 * curve.bytes) key = keyOf(spki);
  if (key === undefined) throw new Error("crypto/ecdsa: invalid uncompressed point encoding");
  const [x, y] = [point.subarray(1, 1 + curve.bytes), point.subarray(1 + curve.bytes)];
  return {
    algorithm: KEY_ALGORITHM.ecdsa,
    curve: curveOid,
    value: new RegoObject([
      ["Curve", new RegoObject()],
      ["X", new RegoNumber(unsigned(x))],
      ["Y", new RegoNumber(unsigned(y))],
    ]),
    key: () => key,
  };
}

function dsaKey(parameters: Buffer, bytes: Buffer): PublicKey {
  const y = new DerReader(bytes).integer("x509: invalid DSA public key");
  const reader = new DerReader(parameters).sequence("x509: invalid DSA parameters");
  const [p, q, g] = ["P", "Q", "G"].map(() => reader.integer("x509: invalid DSA parameters"));
  const numbers = { P: p!, Q: q!, G: g!, Y: y };
  if (Object.values(numbers).some((number) => number <= 0n)) {
    throw new Error("x509: zero or negative DSA parameter");
  }
  return {
    algorithm: KEY_ALGORITHM.dsa,
    curve: undefined,
    value: new RegoObject(
      Object.entries(numbers).map(([name, number]) => [name, new RegoNumber(number)]),
    ),
    key: () => undefined,
  };
}

function keyOf(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

/** As much salt as the hash is long. */
const PSS = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const;

/** Whether a signature is this key's. Those with MD5 and SHA-1 are not accepted. */
export function isSignedBy(
  publicKey: PublicKey,
  { key: algorithm, hash, isPss }: SignatureAlgorithm,
  signed: Buffer,
  signature: Buffer,
): boolean {
  if (publicKey.algorithm !== algorithm || hash === "md5" || hash === "sha1") return false;
  const key = publicKey.key();
  if (key === undefined) return false;
  const padding = isPss ? PSS : {};
  try {
    return verify(hash, signed, { key, ...padding }, signature);
  } catch {
    // What OpenSSL can't make sense of is no signature.
    return false;
  }
}
