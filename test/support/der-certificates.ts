import { constants, createPublicKey, type KeyObject, sign } from "node:crypto";

// Certificates byte by byte: with them a test can have what no library makes, such as wrong ones.

/** An element of DER. */
export function der(tag: number, ...content: (Buffer | readonly number[] | string)[]): Buffer {
  const body = Buffer.concat(
    content.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256);
  const head = body.length < 128 ? [body.length] : [0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

export function sequence(...content: Buffer[]): Buffer {
  return der(0x30, ...content);
}

/** A number that is not negative. */
export function integer(value: bigint | number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return der(0x02, bytes[0]! >= 0x80 ? [0] : [], bytes);
}

export function oid(text: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = text.split(".").map(BigInt);
  const bytes = [first * 40n + second, ...rest].flatMap((part) => {
    const digits = [Number(part & 127n)];
    for (let left = part >> 7n; left > 0n; left >>= 7n) digits.unshift(Number(left & 127n) | 128);
    return digits;
  });
  return der(0x06, bytes);
}

export const TRUE: Buffer = der(0x01, [0xff]);

export function bits(bytes: Buffer | readonly number[], padding = 0): Buffer {
  return der(0x03, [padding], bytes);
}

/** A name of common names and other attributes; each value with the tag of its string type. */
export function name(...attributes: (readonly [oid: string, value: Buffer])[]): Buffer {
  return sequence(...attributes.map(([type, value]) => der(0x31, sequence(oid(type), value))));
}

export function commonName(text: string): Buffer {
  return name(["2.5.4.3", der(0x0c, text)]);
}

export function extension(type: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(type), isCritical ? TRUE : Buffer.alloc(0), der(0x04, value));
}

export interface Signing {
  readonly key: KeyObject;
  /** Default: what goes with the key. */
  readonly algorithm?: Buffer;
  readonly hash?: string | null;
  readonly isPss?: boolean;
}

const RSA_SHA256 = sequence(oid("1.2.840.113549.1.1.11"), der(0x05));
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const ED25519 = sequence(oid("1.3.101.112"));

export interface CertificateParts {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly signing: Signing;
  /** The subject's key; default: the signing one. */
  readonly key?: KeyObject;
  /** In its place. */
  readonly spki?: Buffer;
  readonly extensions?: readonly Buffer[];
  readonly serial?: Buffer;
  /** As it is encoded; default 2, which is version 3. */
  readonly version?: number;
  readonly notBefore?: Buffer;
  readonly notAfter?: Buffer;
}

export function certificate(parts: CertificateParts): Buffer {
  const { signing, extensions = [], version = 2 } = parts;
  const algorithm = algorithmOf(signing);
  const tbs = sequence(
    version === 0 ? Buffer.alloc(0) : der(0xa0, integer(version)),
    parts.serial ?? integer(4711),
    algorithm,
    parts.issuer,
    sequence(
      parts.notBefore ?? der(0x17, "200101000000Z"),
      parts.notAfter ?? der(0x18, "20991231235959Z"),
    ),
    parts.subject,
    parts.spki ?? spkiOf(parts.key ?? signing.key),
    extensions.length === 0 ? Buffer.alloc(0) : der(0xa3, sequence(...extensions)),
  );
  return sequence(tbs, algorithm, bits(signed(tbs, signing)));
}

export function request(
  subject: Buffer,
  signing: Signing,
  attributes: readonly Buffer[],
  version = 0,
): Buffer {
  const info = sequence(integer(version), subject, spkiOf(signing.key), der(0xa0, ...attributes));
  return sequence(info, algorithmOf(signing), bits(signed(info, signing)));
}

export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

function algorithmOf({ key, algorithm }: Signing): Buffer {
  if (algorithm !== undefined) return algorithm;
  if (key.asymmetricKeyType === "ed25519") return ED25519;
  return key.asymmetricKeyType === "ec" ? ECDSA_SHA256 : RSA_SHA256;
}

function signed(data: Buffer, { key, hash = "sha256", isPss }: Signing): Buffer {
  if (key.asymmetricKeyType === "ed25519") return sign(null, data, key);
  const padding = isPss
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  return sign(hash, data, { key, ...padding });
}

export function pem(bytes: Buffer, label = "CERTIFICATE"): string {
  const lines = bytes.toString("base64").replaceAll(/(.{64})/g, "$1\n");
  return `-----BEGIN ${label}-----\n${lines.trimEnd()}\n-----END ${label}-----\n`;
}
