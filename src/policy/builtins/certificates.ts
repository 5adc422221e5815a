import { decodeBase64 } from "./go-text.ts";
import { elementsOf, type Operands } from "./operands.ts";
import { decodePem, decodePems } from "./pem.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { equal, RegoNumber, RegoObject, type Value } from "./value.ts";
import {
  type Certificate,
  certificateValue,
  extendedCertificateValue,
  parseCertificate,
  parseCertificates,
} from "./x509/certificate.ts";
import { verifyChain } from "./x509/chains.ts";
import { bytesOrNull } from "./x509/go-values.ts";
import { KEY_FORMS, type PrivateKey, readPrivateKey } from "./x509/private-keys.ts";
import { certificateRequestValue } from "./x509/request.ts";

/** What one call may be given, in characters; certificates are some thousand long, and work is in proportion. */
const MAX_LENGTH = 1024 * 1024;

/** `crypto.x509.*` but for private keys: what Go's `crypto/x509` reads, in the form in which OPA shows it. */
export const certificateBuiltins: BuiltinFamily = family({
  "crypto.x509.parse_certificates": (operands) =>
    readCertificates(textOf(operands, 1)).map(extendedCertificateValue),
  "crypto.x509.parse_and_verify_certificates": (operands, { now }) => {
    const certificates = certificatesOrNone(textOf(operands, 1));
    return verified(
      verifyChain(certificates, { host: "", now, usages: [] }),
      extendedCertificateValue,
    );
  },
  "crypto.x509.parse_and_verify_certificates_with_options": (operands, query) => {
    const text = textOf(operands, 1);
    const options = operands.object(2);
    const certificates = certificatesOrNone(text);
    if (certificates.length === 0) return verified(undefined, certificateValue);
    const chain = verifyChain(certificates, {
      now: query.now,
      host: "",
      usages: [],
      ...verifyOptions(options),
    });
    return verified(chain, certificateValue);
  },
  "crypto.x509.parse_certificate_request": (operands) => {
    const text = textOf(operands, 1);
    const isPem = text.startsWith("-----BEGIN CERTIFICATE REQUEST-----");
    const bytes = isPem ? Buffer.from(text) : decodeBase64(text);
    const pem = decodePem(bytes.toString("latin1"));
    if (pem !== undefined && pem.label !== "CERTIFICATE REQUEST") {
      throw new Error("invalid PEM-encoded certificate signing request");
    }
    return certificateRequestValue(pem?.bytes ?? bytes);
  },
  "crypto.x509.parse_keypair": (operands) => keyPair(textOf(operands, 1), textOf(operands, 2)),
});

function textOf(operands: Operands, position: number): string {
  const text = operands.string(position);
  if (text.length <= MAX_LENGTH) return text;
  throw new Error(`operand ${position} is longer than ${MAX_LENGTH} characters`);
}

/** The certificates of PEM, of DER in base64, or of PEM in base64. */
function readCertificates(text: string): Certificate[] {
  if (text.startsWith("-----BEGIN")) return ofPem(text);
  const bytes = decodeBase64(text);
  const inner = bytes.toString("latin1");
  return inner.startsWith("-----BEGIN") ? ofPem(inner) : parseCertificates(bytes);
}

function ofPem(text: string): Certificate[] {
  const blocks = decodePems(text);
  const other = blocks.find(({ label }) => label !== "CERTIFICATE");
  if (other !== undefined) {
    throw new Error(`PEM block type is '${other.label}', expected CERTIFICATE`);
  }
  return parseCertificates(Buffer.concat(blocks.map(({ bytes }) => bytes)));
}

/** None where they can't be read: then nothing is verified. */
function certificatesOrNone(text: string): Certificate[] {
  try {
    return readCertificates(text);
  } catch {
    return [];
  }
}

function verified(
  chain: readonly Certificate[] | undefined,
  show: (certificate: Certificate) => Value,
): Value {
  return chain === undefined ? [false, []] : [true, chain.map(show)];
}

/** As Go numbers them. */
const USAGES: readonly string[] = [
  "KeyUsageAny",
  "KeyUsageServerAuth",
  "KeyUsageClientAuth",
  "KeyUsageCodeSigning",
  "KeyUsageEmailProtection",
  "KeyUsageIPSECEndSystem",
  "KeyUsageIPSECTunnel",
  "KeyUsageIPSECUser",
  "KeyUsageTimeStamping",
  "KeyUsageOCSPSigning",
  "KeyUsageMicrosoftServerGatedCrypto",
  "KeyUsageNetscapeServerGatedCrypto",
  "KeyUsageMicrosoftCommercialCodeSigning",
  "KeyUsageMicrosoftKernelCodeSigning",
];

function verifyOptions(options: RegoObject): { host?: string; now?: bigint; usages?: number[] } {
  const read: { host?: string; now?: bigint; usages?: number[] } = {};
  for (const [key, value] of options.entries) {
    // The rest of the switch is OPA's: what is no text is passed over.
    if (typeof key !== "string") continue;
    if (key === "DNSName") {
      if (typeof value !== "string") throw new Error("'DNSName' should be a string");
      read.host = value.replaceAll(/^"+|"+$/g, "");
    } else if (key === "CurrentTime") read.now = int64(key, value, "a valid int64 number");
    // Go has given it up.
    else if (key === "MaxConstraintComparisons") int64(key, value, "a valid number");
    else if (key === "KeyUsages") read.usages = usagesOf(value);
    else throw new Error("invalid key option");
  }
  return read;
}

function int64(key: string, value: Value, expected: string): bigint {
  if (!(value instanceof RegoNumber)) throw new Error(`'${key}' should be a number`);
  const { integer } = value;
  if (integer === undefined || BigInt.asIntN(64, integer) !== integer) {
    throw new Error(`'${key}' should be ${expected}`);
  }
  return integer;
}

function usagesOf(value: Value): number[] {
  let elements: readonly Value[];
  try {
    elements = elementsOf(2, value);
  } catch {
    throw new Error("'KeyUsages' should be an Array or Set");
  }
  const names = elements.filter((name) => typeof name === "string");
  const wrong = names.filter((name) => !USAGES.includes(name));
  if (wrong.length > 0) {
    throw new Error(`invalid entries for 'KeyUsages' found: [${wrong.join(" ")}]`);
  }
  return names.map((name) => USAGES.indexOf(name));
}

/** A `tls.Certificate` of Go: the certificates, and the private key of the first. */
function keyPair(certificate: string, key: string): Value {
  const blocks = pemOrDer(certificate, "CERTIFICATE").filter(
    ({ label }) => label === "CERTIFICATE",
  );
  const [first] = blocks;
  if (first === undefined) throw new Error("tls: failed to find any PEM data in certificate input");
  const secret = pemOrDer(key, "PRIVATE KEY").find(({ label }) =>
    /(?:^| )PRIVATE KEY$/.test(label),
  );
  if (secret === undefined) throw new Error("tls: failed to find any PEM data in key input");
  const leaf = parseCertificate(first.bytes);
  const privateKey = readAnyForm(secret.bytes);
  if (!isKeyOf(leaf, privateKey)) throw new Error("tls: private key does not match public key");
  return new RegoObject([
    ["Certificate", blocks.map(({ bytes }) => bytesOrNull(bytes))],
    ["PrivateKey", privateKey.value],
    ["SupportedSignatureAlgorithms", null],
    ["OCSPStaple", null],
    ["SignedCertificateTimestamps", null],
    ["Leaf", certificateValue(leaf)],
  ]);
}

/** The blocks of PEM, which may be in base64; what is none after that is DER. */
function pemOrDer(text: string, label: string): { label: string; bytes: Buffer }[] {
  let pem = text;
  if (!text.startsWith("-----BEGIN ")) {
    const bytes = decodeBase64(text);
    pem = bytes.toString("latin1");
    if (!pem.startsWith("-----BEGIN")) return [{ label, bytes }];
  }
  return decodePems(pem);
}

function isKeyOf({ publicKey }: Certificate, { public: own }: PrivateKey): boolean {
  return (
    publicKey !== undefined &&
    publicKey.algorithm === own?.algorithm &&
    publicKey.curve === own.curve &&
    equal(publicKey.value, own.value)
  );
}

function readAnyForm(der: Buffer): PrivateKey {
  for (const form of KEY_FORMS) {
    try {
      return readPrivateKey(der, form);
    } catch {
      continue;
    }
  }
  throw new Error("tls: failed to parse private key");
}
