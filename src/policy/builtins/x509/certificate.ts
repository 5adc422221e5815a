import { RegoNumber, RegoObject, type Value } from "../value.ts";
import {
  algorithmOf,
  keyAlgorithm,
  type SignatureAlgorithm,
  signatureAlgorithm,
} from "./algorithms.ts";
import { DerReader, field, isSmallOid, oidText, readOid, rightAligned, TAG } from "./der.ts";
import {
  type Extension,
  type ExtensionFields,
  extensionValue,
  limitFields,
  noFields,
  readExtension,
  readFields,
} from "./extensions.ts";
import { type AlternativeNames, ipText, uriString, urlValue } from "./general-names.ts";
import { base64, bytesOrNull, listOrNull } from "./go-values.ts";
import { constraintFields } from "./name-constraints.ts";
import { type Attribute, certificateName, nameValue, oidNumbers } from "./names.ts";
import { type PublicKey, publicKeyOf } from "./public-keys.ts";
import { type GoTime, timeOf } from "./times.ts";

/** A certificate (RFC 5280), as far as Go's `crypto/x509` reads it. */
export interface Certificate {
  readonly raw: Buffer;
  readonly rawTbs: Buffer;
  readonly rawPublicKey: Buffer;
  readonly rawSubject: Buffer;
  readonly rawIssuer: Buffer;
  readonly signature: Buffer;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly keyAlgorithm: number;
  /** Undefined where its algorithm is not known. */
  readonly publicKey: PublicKey | undefined;
  /** Counted from 1. */
  readonly version: number;
  readonly serialNumber: bigint;
  readonly issuer: readonly Attribute[];
  readonly subject: readonly Attribute[];
  readonly notBefore: GoTime;
  readonly notAfter: GoTime;
  readonly extensions: readonly Extension[];
  readonly fields: ExtensionFields;
}

/** Certificates, one after another without anything between. Throws for what Go refuses. */
export function parseCertificates(der: Buffer): Certificate[] {
  const reader = new DerReader(der);
  const certificates: Certificate[] = [];
  while (!reader.isEmpty) {
    certificates.push(parse(reader.element(TAG.sequence, "x509: malformed certificate").whole));
  }
  return certificates;
}

/** One certificate, and nothing behind it. */
export function parseCertificate(der: Buffer): Certificate {
  const reader = new DerReader(der);
  const certificate = parse(reader.element(TAG.sequence, "x509: malformed certificate").whole);
  if (!reader.isEmpty) throw new Error("x509: trailing data");
  return certificate;
}

function parse(raw: Buffer): Certificate {
  const outer = new DerReader(raw).sequence("x509: malformed certificate");
  const { whole: rawTbs, content } = outer.element(TAG.sequence, "x509: malformed tbs certificate");
  const tbs = new DerReader(content);
  const version = readVersion(tbs);
  const serialNumber = tbs.integer("x509: malformed serial number");
  if (serialNumber < 0n) throw new Error("x509: negative serial number");
  const inner = tbs.content(TAG.sequence, "x509: malformed signature algorithm identifier");
  if (!outer.content(TAG.sequence, "x509: malformed algorithm identifier").equals(inner)) {
    throw new Error("x509: inner and outer signature algorithm identifiers don't match");
  }
  const algorithm = signatureAlgorithm(algorithmOf(new DerReader(inner)));
  const rawIssuer = tbs.element(TAG.sequence, "x509: malformed issuer").whole;
  const issuer = certificateName(rawIssuer);
  const validity = tbs.sequence("x509: malformed validity");
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  const rawSubject = tbs.element(TAG.sequence, "x509: malformed issuer").whole;
  const subject = certificateName(rawSubject);
  const key = readPublicKey(tbs);
  const extensions = readExtensions(tbs, version);
  return {
    raw,
    rawTbs,
    rawPublicKey: key.raw,
    rawSubject,
    rawIssuer,
    signatureAlgorithm: algorithm,
    keyAlgorithm: key.algorithm,
    publicKey: key.key,
    version,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    extensions,
    fields: extensions.length === 0 ? noFields() : readFields(extensions),
    signature: rightAligned(outer.bits("x509: malformed signature")),
  };
}

function readVersion(tbs: DerReader): number {
  const problem = "x509: malformed version";
  if (!tbs.isNext(field(0, true))) return 1;
  const reader = tbs.inside(field(0, true), problem);
  const version = reader.int64(problem);
  if (!reader.isEmpty || version < 0n) throw new Error(problem);
  if (version > 2n) throw new Error("x509: invalid version");
  return Number(version) + 1;
}

function readTime(reader: DerReader): GoTime {
  if (!reader.isNext(TAG.utcTime, TAG.generalizedTime)) {
    throw new Error("x509: unsupported time format");
  }
  const { tag, content } = reader.any("x509: malformed time");
  const time = timeOf(tag, content);
  if (time !== undefined) return time;
  const name = tag === TAG.utcTime ? "UTCTime" : "GeneralizedTime";
  throw new Error(`x509: malformed ${name}`);
}

interface ReadKey {
  readonly raw: Buffer;
  readonly algorithm: number;
  readonly key: PublicKey | undefined;
}

/** Reads a SubjectPublicKeyInfo. */
export function readPublicKey(reader: DerReader): ReadKey {
  const { whole: raw, content } = reader.element(TAG.sequence, "x509: malformed spki");
  const spki = new DerReader(content);
  const algorithm = algorithmOf(spki.sequence("x509: malformed public key algorithm identifier"));
  const bytes = rightAligned(spki.bits("x509: malformed subjectPublicKey"));
  return { raw, algorithm: keyAlgorithm(algorithm.oid), key: publicKeyOf(algorithm, bytes) };
}

function readExtensions(tbs: DerReader, version: number): Extension[] {
  if (version === 1) return [];
  for (const number of [1, 2]) {
    if (tbs.isNext(field(number, false))) tbs.any("x509: malformed uniqueID");
  }
  if (version < 3 || !tbs.isNext(field(3, true))) return [];
  const problem = "x509: malformed extensions";
  const reader = tbs.inside(field(3, true), problem).sequence(problem);
  const extensions = new Map<string, Extension>();
  while (!reader.isEmpty) {
    const extension = readExtension(reader.sequence("x509: malformed extension"));
    if (extensions.has(extension.oid)) {
      throw new Error(
        `x509: certificate contains duplicate extension with OID ${JSON.stringify(extension.oid)}`,
      );
    }
    extensions.set(extension.oid, extension);
  }
  return [...extensions.values()];
}

/** An `x509.Certificate` as JSON of Go has it. */
export function certificateFields(certificate: Certificate): [name: string, value: Value][] {
  const { fields, publicKey } = certificate;
  const path = fields.basicConstraints;
  const oids = (list: readonly string[]): Value[] => list.map(oidNumbers);
  return [
    ["Raw", base64(certificate.raw)],
    ["RawTBSCertificate", base64(certificate.rawTbs)],
    ["RawSubjectPublicKeyInfo", base64(certificate.rawPublicKey)],
    ["RawSubject", base64(certificate.rawSubject)],
    ["RawIssuer", base64(certificate.rawIssuer)],
    ["Signature", base64(certificate.signature)],
    ["SignatureAlgorithm", new RegoNumber(certificate.signatureAlgorithm.number)],
    ["PublicKeyAlgorithm", new RegoNumber(certificate.keyAlgorithm)],
    ["PublicKey", publicKey?.value ?? null],
    ["Version", new RegoNumber(certificate.version)],
    ["SerialNumber", new RegoNumber(certificate.serialNumber)],
    ["Issuer", nameValue(certificate.issuer)],
    ["Subject", nameValue(certificate.subject)],
    ["NotBefore", certificate.notBefore.text],
    ["NotAfter", certificate.notAfter.text],
    ["KeyUsage", new RegoNumber(fields.keyUsage)],
    ["Extensions", listOrNull(certificate.extensions.map(extensionValue))],
    ["ExtraExtensions", null],
    ["UnhandledCriticalExtensions", listOrNull(oids(fields.unhandledCritical))],
    ["ExtKeyUsage", listOrNull(fields.extendedKeyUsages.map((usage) => new RegoNumber(usage)))],
    ["UnknownExtKeyUsage", listOrNull(oids(fields.unknownExtendedKeyUsages))],
    ["BasicConstraintsValid", path !== undefined],
    ["IsCA", path?.isCa ?? false],
    ["MaxPathLen", new RegoNumber(path?.maxPathLength ?? 0n)],
    ["MaxPathLenZero", path?.maxPathLength === 0n],
    ["SubjectKeyId", bytesOrNull(fields.subjectKeyId)],
    ["AuthorityKeyId", bytesOrNull(fields.authorityKeyId)],
    ["OCSPServer", listOrNull(fields.ocspServers)],
    ["IssuingCertificateURL", listOrNull(fields.issuingCertificates)],
    ...alternativeNameFields(fields.names),
    ...constraintFields(fields.nameConstraints),
    ["CRLDistributionPoints", listOrNull(fields.crlDistributionPoints)],
    ["PolicyIdentifiers", fields.policies === undefined ? null : smallPolicies(fields.policies)],
    ["Policies", listOrNull((fields.policies ?? []).map(policyText))],
    ...limitFields("InhibitAnyPolicy", fields.inhibitAnyPolicy),
    ...limitFields("InhibitPolicyMapping", fields.inhibitPolicyMapping),
    ...limitFields("RequireExplicitPolicy", fields.requireExplicitPolicy),
    ["PolicyMappings", listOrNull(fields.policyMappings.map(mappingValue))],
  ];
}

/** Those that have no number above 31 bits; Go leaves others out where it writes numbers. */
function smallPolicies(policies: readonly string[]): Value[] {
  return policies
    .map((policy) => readOid(Buffer.from(policy, "hex")))
    .filter(isSmallOid)
    .map((parts) => oidNumbers(oidText(parts)));
}

function policyText(policy: string): string {
  return oidText(readOid(Buffer.from(policy, "hex")));
}

function mappingValue({ issuer, subject }: { issuer: string; subject: string }): Value {
  return new RegoObject([
    ["IssuerDomainPolicy", policyText(issuer)],
    ["SubjectDomainPolicy", policyText(subject)],
  ]);
}

/** The fields of Go's certificate, and of a request, that tell the names. */
export function alternativeNameFields(names: AlternativeNames): [name: string, value: Value][] {
  return [
    ["DNSNames", listOrNull(names.dns)],
    ["EmailAddresses", listOrNull(names.emails)],
    ["IPAddresses", listOrNull(names.addresses.map(ipText))],
    ["URIs", listOrNull(names.uris.map(urlValue))],
  ];
}

/** With the URIs as texts, which OPA adds. */
export function extendedCertificateValue(certificate: Certificate): Value {
  const uris = certificate.fields.names.uris.map(uriString);
  return new RegoObject([...certificateFields(certificate), ["URIStrings", listOrNull(uris)]]);
}

export function certificateValue(certificate: Certificate): Value {
  return new RegoObject(certificateFields(certificate));
}
