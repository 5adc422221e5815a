import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { LRUCache } from "lru-cache";
import { messageOf } from "../../errors.ts";
import { isAlgorithm } from "./jwt-algorithms.ts";
import { decodePem, type PemBlock } from "./pem.ts";

export interface VerificationKey {
  /** The one algorithm that the key is for, empty when it names none. */
  readonly algorithm: string;
  /** Empty when it has none. */
  readonly id: string;
  readonly key: KeyObject;
}

/** As many key texts as OPA keeps ready. */
const ready = new LRUCache<string, readonly VerificationKey[]>({ max: 100 });

/** The keys of a certificate or public key (PEM), or of a JWK or a set of them (RFC 7517). */
export function verificationKeys(text: string): readonly VerificationKey[] {
  let keys = ready.get(text);
  if (keys === undefined) ready.set(text, (keys = parseKeys(text)));
  return keys;
}

function parseKeys(text: string): VerificationKey[] {
  const pem = decodePem(text);
  if (pem !== undefined) return [{ algorithm: "", id: "", key: pemKey(pem) }];
  return webKeys(text).flatMap((jwk) => {
    const { alg = "", kid = "" } = jwk as { alg?: string; kid?: string };
    if (alg !== "" && !isAlgorithm(alg)) return [];
    try {
      return [{ algorithm: alg, id: kid, key: publicKey(jwk) }];
    } catch (error) {
      throw new Error(`failed to parse a JWK key (set): ${messageOf(error)}`, { cause: error });
    }
  });
}

function pemKey({ label, bytes, rest }: PemBlock): KeyObject {
  if (rest !== "") throw new Error("extra data after a PEM certificate block");
  const parse = (what: string, read: () => KeyObject): KeyObject => {
    try {
      return read();
    } catch (error) {
      throw new Error(`failed to parse a PEM ${what}: ${messageOf(error)}`, { cause: error });
    }
  };
  if (label === "CERTIFICATE")
    return parse("certificate", () => new X509Certificate(bytes).publicKey);
  if (label === "PUBLIC KEY") {
    return parse("public key", () => createPublicKey({ key: bytes, format: "der", type: "spki" }));
  }
  throw new Error("failed to extract a Key from the PEM certificate");
}

/** The JWKs in a text: one, or those of a set. */
function webKeys(text: string): JsonWebKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Error(`failed to parse a JWK key (set): ${messageOf(error)}`, { cause: error });
  }
  const isObject = (value: unknown): value is object =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const set = isObject(parsed) ? (parsed as { keys?: unknown }).keys : undefined;
  const keys: unknown[] = Array.isArray(set) ? set : [parsed];
  if (!keys.every(isObject)) throw new Error("failed to parse a JWK key (set): not an object");
  return keys as JsonWebKey[];
}

function publicKey(jwk: JsonWebKey): KeyObject {
  return secretKey(jwk) ?? createPublicKey({ key: jwk, format: "jwk" });
}

function secretKey({ kty, k }: JsonWebKey): KeyObject | undefined {
  if (kty !== "oct") return undefined;
  if (typeof k !== "string") throw new Error("an oct key without k");
  return createSecretKey(Buffer.from(k, "base64url"));
}

/** The key that a JWK, or the first of a set, has for signing. */
export function signingKey(text: string): KeyObject {
  const [jwk] = webKeys(text);
  if (jwk === undefined) throw new Error("no keys found in JWK set");
  return secretKey(jwk) ?? createPrivateKey({ key: jwk, format: "jwk" });
}
