import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";
import { RegoNumber, RegoObject, type Value } from "../value.ts";
import { algorithmOf, KEY_ALGORITHM, keyAlgorithm } from "./algorithms.ts";
import { DerReader, field, TAG, unsigned } from "./der.ts";
import { base64 } from "./go-values.ts";
import { CURVES, type PublicKey } from "./public-keys.ts";
import { rsaPrivateKey } from "./rsa-private-keys.ts";

/** A private key that Go knows. */
export interface PrivateKey {
  readonly kind: "RSA" | "EC" | "Ed25519" | "X25519";
  /** Undefined where no certificate is for such a key. */
  readonly public: Pick<PublicKey, "algorithm" | "curve" | "value"> | undefined;
  /** As JSON of Go has it. */
  readonly value: Value;
  /** As a JWK (RFC 7517). Throws where it has none. */
  readonly jwk: () => Record<string, string>;
}

/** The forms in which private keys are written, in the order in which Go tries them. */
export const KEY_FORMS = ["pkcs1", "pkcs8", "sec1"] as const;

export type KeyForm = (typeof KEY_FORMS)[number];

/** Reads a key as Go does: what it says of its public part is not believed, but worked out. */
export function readPrivateKey(der: Buffer, form: KeyForm): PrivateKey {
  if (form === "pkcs1") return rsaPrivateKey(der);
  return form === "pkcs8" ? pkcs8Key(der) : ecPrivateKey(der, undefined);
}

const X25519 = "1.3.101.110";

function pkcs8Key(der: Buffer): PrivateKey {
  const problem = "x509: malformed PKCS#8 private key";
  const reader = new DerReader(der).sequence(problem);
  reader.int64(problem);
  const { oid, parameters } = algorithmOf(reader.sequence(problem));
  const content = reader.content(TAG.octetString, problem);
  const algorithm = keyAlgorithm(oid);
  if (algorithm === KEY_ALGORITHM.rsa) return rsaPrivateKey(content);
  if (algorithm === KEY_ALGORITHM.ecdsa) return ecPrivateKey(content, curveOf(parameters));
  if (algorithm !== KEY_ALGORITHM.ed25519 && oid !== X25519) {
    throw new Error(`x509: PKCS#8 wrapping contained private key with unknown algorithm: ${oid}`);
  }
  if (parameters.length > 0) throw new Error("x509: invalid Ed25519 private key parameters");
  const seed = new DerReader(content).content(TAG.octetString, problem);
  if (seed.length !== 32) throw new Error("x509: invalid Ed25519 private key length");
  return curve25519Key(oid === X25519 ? "X25519" : "Ed25519", seed);
}

function curveOf(parameters: Buffer): string | undefined {
  try {
    return new DerReader(parameters).oid("");
  } catch {
    return undefined;
  }
}

const PREFIXES = {
  Ed25519: Buffer.from("302e020100300506032b657004220420", "hex"),
  X25519: Buffer.from("302e020100300506032b656e04220420", "hex"),
};

function curve25519Key(kind: "Ed25519" | "X25519", seed: Buffer): PrivateKey {
  const der = Buffer.concat([PREFIXES[kind], seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const point = key.export({ type: "spki", format: "der" }).subarray(-32);
  const text = (bytes: Buffer): string => bytes.toString("base64url");
  const jwk = { kty: "OKP", crv: kind, x: text(point), d: text(seed) };
  if (kind === "X25519") {
    return { kind, public: undefined, value: new RegoObject(), jwk: () => jwk };
  }
  return {
    kind,
    public: { algorithm: KEY_ALGORITHM.ed25519, curve: undefined, value: base64(point) },
    value: base64(Buffer.concat([seed, point])),
    jwk: () => jwk,
  };
}

/** A key of an elliptic curve (RFC 5915); one that stands around it names the curve better. */
function ecPrivateKey(der: Buffer, around: string | undefined): PrivateKey {
  const problem = "x509: failed to parse EC private key";
  const reader = new DerReader(der).sequence(problem);
  if (reader.int64(problem) !== 1n) throw new Error("x509: unknown EC private key version");
  const secret = reader.content(TAG.octetString, problem);
  const own = reader.enter(field(0, true), problem) ? reader.oid(problem) : undefined;
  if (reader.enter(field(1, true), problem)) reader.bits(problem);
  const oid = around ?? own ?? "";
  const curve = CURVES.get(oid);
  if (curve === undefined) throw new Error("x509: unknown elliptic curve");
  const { bytes: size, jwkName, opensslName } = curve;
  // Zeros before it may be missing, or too many.
  if (secret.subarray(0, Math.max(0, secret.length - size)).some((byte) => byte !== 0)) {
    throw new Error("x509: invalid private key length");
  }
  const padded = Buffer.concat([Buffer.alloc(size), secret]).subarray(-size);
  const ecdh = createECDH(opensslName);
  ecdh.setPrivateKey(padded);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  const coordinates: [name: string, value: Value][] = [
    ["Curve", new RegoObject()],
    ["X", new RegoNumber(unsigned(x))],
    ["Y", new RegoNumber(unsigned(y))],
  ];
  return {
    kind: "EC",
    public: { algorithm: KEY_ALGORITHM.ecdsa, curve: oid, value: new RegoObject(coordinates) },
    value: new RegoObject([...coordinates, ["D", new RegoNumber(unsigned(padded))]]),
    jwk: () => {
      if (jwkName === undefined) throw new Error("there is no JWK of a key of P-224");
      const text = (bytes: Buffer): string => bytes.toString("base64url");
      return { kty: "EC", crv: jwkName, x: text(x), y: text(y), d: text(padded) };
    },
  };
}
