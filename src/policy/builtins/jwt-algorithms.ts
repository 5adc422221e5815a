import {
  constants,
  createHmac,
  type KeyObject,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
} from "node:crypto";

type Family = "HS" | "RS" | "PS" | "ES" | "EdDSA";

/** A signature algorithm of JSON Web Tokens (RFC 7518, RFC 8037). */
interface Algorithm {
  readonly family: Family;
  readonly hash: string | null;
}

const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ...(["HS", "RS", "PS", "ES"] as const).flatMap((family) =>
    ["256", "384", "512"].map(
      (size) => [`${family}${size}`, { family, hash: `sha${size}` }] as const,
    ),
  ),
  ["EdDSA", { family: "EdDSA", hash: null }] as const,
]);

const KEY_TYPES: Readonly<Record<Family, string | undefined>> = {
  HS: undefined,
  RS: "rsa",
  PS: "rsa",
  ES: "ec",
  EdDSA: "ed25519",
};

export function isAlgorithm(name: string): boolean {
  return ALGORITHMS.has(name);
}

/** Whether the signature is the key's own; false too for a key of another kind than the algorithm's. */
export function verifies(name: string, key: KeyObject, data: string, signature: Buffer): boolean {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined || !fits(algorithm, key)) return false;
  const { family, hash } = algorithm;
  if (family === "HS") {
    const expected = createHmac(hash!, key).update(data).digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  }
  return verifyBytes(
    hash,
    Buffer.from(data),
    keyOptions(family, key, constants.RSA_PSS_SALTLEN_AUTO),
    signature,
  );
}

/** Throws for a key of another kind than the algorithm's. */
export function signWith(name: string, key: KeyObject, data: string): Buffer {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) throw new Error(`unknown JWS algorithm: ${name}`);
  if (!fits(algorithm, key)) throw new Error(`the key is not one for ${name}`);
  const { family, hash } = algorithm;
  if (family === "HS") return createHmac(hash!, key).update(data).digest();
  const options = keyOptions(family, key, constants.RSA_PSS_SALTLEN_DIGEST);
  return signBytes(hash, Buffer.from(data), options);
}

function fits({ family }: Algorithm, key: KeyObject): boolean {
  if (family === "HS") return key.type === "secret";
  return key.type !== "secret" && key.asymmetricKeyType === KEY_TYPES[family];
}

function keyOptions(
  family: Family,
  key: KeyObject,
  saltLength: number,
): { key: KeyObject; padding?: number; saltLength?: number; dsaEncoding?: "ieee-p1363" } {
  if (family === "PS") return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return family === "ES" ? { key, dsaEncoding: "ieee-p1363" } : { key };
}
