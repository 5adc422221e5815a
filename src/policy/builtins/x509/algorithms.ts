import { DerReader, field } from "./der.ts";

/** What Go numbers public keys' algorithms with. */
export const KEY_ALGORITHM = { unknown: 0, rsa: 1, dsa: 2, ecdsa: 3, ed25519: 4 } as const;

/** An algorithm and its parameters. */
export interface AlgorithmIdentifier {
  readonly oid: string;
  /** The parameters' element; empty where there is none. */
  readonly parameters: Buffer;
}

export interface SignatureAlgorithm {
  /** What Go numbers it with; 0 is one that it does not know. */
  readonly number: number;
  readonly key: number;
  readonly hash?: "md5" | "sha1" | "sha256" | "sha384" | "sha512";
  readonly isPss?: true;
}

const UNKNOWN: SignatureAlgorithm = { number: 0, key: KEY_ALGORITHM.unknown };

const { rsa, dsa, ecdsa, ed25519 } = KEY_ALGORITHM;
const SIGNATURES: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ["1.2.840.113549.1.1.4", { number: 2, key: rsa, hash: "md5" }],
  ["1.2.840.113549.1.1.5", { number: 3, key: rsa, hash: "sha1" }],
  ["1.3.14.3.2.29", { number: 3, key: rsa, hash: "sha1" }],
  ["1.2.840.113549.1.1.11", { number: 4, key: rsa, hash: "sha256" }],
  ["1.2.840.113549.1.1.12", { number: 5, key: rsa, hash: "sha384" }],
  ["1.2.840.113549.1.1.13", { number: 6, key: rsa, hash: "sha512" }],
  ["1.2.840.10040.4.3", { number: 7, key: dsa, hash: "sha1" }],
  ["2.16.840.1.101.3.4.3.2", { number: 8, key: dsa, hash: "sha256" }],
  ["1.2.840.10045.4.1", { number: 9, key: ecdsa, hash: "sha1" }],
  ["1.2.840.10045.4.3.2", { number: 10, key: ecdsa, hash: "sha256" }],
  ["1.2.840.10045.4.3.3", { number: 11, key: ecdsa, hash: "sha384" }],
  ["1.2.840.10045.4.3.4", { number: 12, key: ecdsa, hash: "sha512" }],
]);
const PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const ED25519 = "1.3.101.112";

/** Of PSS only those are known that use one hash throughout, and as much salt as it is long. */
const PSS_BY_HASH: ReadonlyMap<string, SignatureAlgorithm & { readonly salt: bigint }> = new Map([
  ["2.16.840.1.101.3.4.2.1", { number: 13, key: rsa, hash: "sha256", isPss: true, salt: 32n }],
  ["2.16.840.1.101.3.4.2.2", { number: 14, key: rsa, hash: "sha384", isPss: true, salt: 48n }],
  ["2.16.840.1.101.3.4.2.3", { number: 15, key: rsa, hash: "sha512", isPss: true, salt: 64n }],
]);

const NULL = Buffer.from([0x05, 0x00]);

/** Whether parameters are NULL, as those of RSA keys have to be. */
export function isNull(parameters: Buffer): boolean {
  return parameters.equals(NULL);
}

/** Reads the content of an AlgorithmIdentifier. */
export function algorithmOf(content: DerReader): AlgorithmIdentifier {
  const oid = content.oid("x509: malformed OID");
  if (content.isEmpty) return { oid, parameters: Buffer.alloc(0) };
  return { oid, parameters: content.any("x509: malformed parameters").whole };
}

/** What signed with it was signed with. */
export function signatureAlgorithm({ oid, parameters }: AlgorithmIdentifier): SignatureAlgorithm {
  if (oid === ED25519) return parameters.length === 0 ? { number: 16, key: ed25519 } : UNKNOWN;
  if (oid !== PSS) return SIGNATURES.get(oid) ?? UNKNOWN;
  try {
    return pssAlgorithm(new DerReader(parameters).sequence(""));
  } catch {
    return UNKNOWN;
  }
}

function pssAlgorithm(parameters: DerReader): SignatureAlgorithm {
  const enter = (number: number): void => {
    if (!parameters.enter(field(number, true), "")) throw new Error("a parameter is missing");
  };
  enter(0);
  const hash = algorithmOf(parameters.sequence(""));
  enter(1);
  const mask = algorithmOf(parameters.sequence(""));
  enter(2);
  const salt = parameters.int64("");
  // The trailer may be left out.
  const trailer = parameters.enter(field(3, true), "") ? parameters.int64("") : 1n;
  const maskHash = algorithmOf(new DerReader(mask.parameters).sequence(""));
  const known = PSS_BY_HASH.get(hash.oid);
  const isSame = mask.oid === MGF1 && maskHash.oid === hash.oid;
  const isPlain = [hash, maskHash].every(
    ({ parameters: given }) => given.length === 0 || isNull(given),
  );
  return known !== undefined && isSame && isPlain && salt === known.salt && trailer === 1n
    ? known
    : UNKNOWN;
}

const KEYS: ReadonlyMap<string, number> = new Map([
  ["1.2.840.113549.1.1.1", rsa],
  ["1.2.840.10040.4.1", dsa],
  ["1.2.840.10045.2.1", ecdsa],
  [ED25519, ed25519],
]);

/** What Go numbers the algorithm of a public key with. */
export function keyAlgorithm(oid: string): number {
  return KEYS.get(oid) ?? KEY_ALGORITHM.unknown;
}
