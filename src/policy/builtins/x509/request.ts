import { RegoNumber, RegoObject, type Value } from "../value.ts";
import { algorithmOf, signatureAlgorithm } from "./algorithms.ts";
import { alternativeNameFields, readPublicKey } from "./certificate.ts";
import { DerReader, field, rightAligned, TAG } from "./der.ts";
import {
  type Extension,
  extensionValue,
  readExtension,
  SUBJECT_ALTERNATIVE_NAMES,
} from "./extensions.ts";
import { NO_NAMES, readAlternativeNames } from "./general-names.ts";
import { base64, listOrNull } from "./go-values.ts";
import { anyValue, attributeValue, nameValue, oidNumbers, requestName } from "./names.ts";

const PROBLEM = "asn1: structure error: malformed certificate request";
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

/** An `x509.CertificateRequest` of Go (RFC 2986), as JSON of Go has it. Throws for what Go refuses. */
export function certificateRequestValue(der: Buffer): Value {
  const outer = new DerReader(der);
  const { whole: raw, content } = outer.element(TAG.sequence, PROBLEM);
  if (!outer.isEmpty) throw new Error("asn1: syntax error: trailing data");
  const request = new DerReader(content);
  const { whole: rawTbs, content: tbsContent } = request.element(TAG.sequence, PROBLEM);
  const tbs = new DerReader(tbsContent);
  const version = tbs.int64(PROBLEM);
  const rawSubject = tbs.any(PROBLEM).whole;
  const key = readPublicKey(tbs);
  const attributes = attributesOf(tbs.inside(field(0, true), PROBLEM));
  const algorithm = signatureAlgorithm(algorithmOf(request.sequence(PROBLEM)));
  const signature = rightAligned(request.bits(PROBLEM));
  const extensions = requestedExtensions(attributes);
  const names = extensions.findLast(({ oid }) => oid === SUBJECT_ALTERNATIVE_NAMES);
  return new RegoObject([
    ["Raw", base64(raw)],
    ["RawTBSCertificateRequest", base64(rawTbs)],
    ["RawSubjectPublicKeyInfo", base64(key.raw)],
    ["RawSubject", base64(rawSubject)],
    ["Version", new RegoNumber(version)],
    ["Signature", base64(signature)],
    ["SignatureAlgorithm", new RegoNumber(algorithm.number)],
    ["PublicKeyAlgorithm", new RegoNumber(key.algorithm)],
    ["PublicKey", key.key?.value ?? null],
    ["Subject", nameValue(requestName(rawSubject))],
    ["Attributes", listOrNull(attributes.flatMap(attributeSet))],
    ["Extensions", listOrNull(extensions.map(extensionValue))],
    ["ExtraExtensions", null],
    ...alternativeNameFields(names === undefined ? NO_NAMES : readAlternativeNames(names.value)),
  ]);
}

/** The elements of all attributes. */
function attributesOf(reader: DerReader): Buffer[] {
  const attributes: Buffer[] = [];
  while (!reader.isEmpty) attributes.push(reader.any(PROBLEM).whole);
  return attributes;
}

/** An attribute as a `pkix.AttributeTypeAndValueSET`, if it can be read as one. */
function attributeSet(whole: Buffer): Value[] {
  try {
    const reader = new DerReader(whole).sequence(PROBLEM);
    const oid = reader.oid(PROBLEM);
    const set = reader.inside(TAG.set, PROBLEM);
    const lists: Value[] = [];
    while (!set.isEmpty) lists.push(readAttributes(set.sequence(PROBLEM)));
    return [
      new RegoObject([
        ["Type", oidNumbers(oid)],
        ["Value", lists],
      ]),
    ];
  } catch {
    return [];
  }
}

function readAttributes(reader: DerReader): Value[] {
  const attributes: Value[] = [];
  while (!reader.isEmpty) {
    const attribute = reader.sequence(PROBLEM);
    const oid = attribute.oid(PROBLEM);
    const { tag, content } = attribute.any(PROBLEM);
    attributes.push(attributeValue({ oid, value: anyValue(tag, content) }));
  }
  return attributes;
}

/** The extensions that the certificate should have. */
function requestedExtensions(attributes: readonly Buffer[]): Extension[] {
  const extensions = attributes.flatMap((attribute) => {
    const value = extensionRequest(attribute);
    const requested: Extension[] = [];
    if (value === undefined) return requested;
    const reader = new DerReader(value).sequence(PROBLEM);
    while (!reader.isEmpty) requested.push(readExtension(reader.sequence(PROBLEM)));
    return requested;
  });
  if (new Set(extensions.map(({ oid }) => oid)).size < extensions.length) {
    throw new Error("x509: certificate request contains duplicate requested extensions");
  }
  return extensions;
}

/** The first value of an attribute that asks for extensions; undefined for any other, and where one can't be read. */
function extensionRequest(whole: Buffer): Buffer | undefined {
  try {
    const reader = new DerReader(whole).sequence(PROBLEM);
    if (reader.oid(PROBLEM) !== EXTENSION_REQUEST) return undefined;
    const set = reader.inside(TAG.set, PROBLEM);
    const values: Buffer[] = [];
    while (!set.isEmpty) values.push(set.any(PROBLEM).whole);
    return values[0];
  } catch {
    return undefined;
  }
}
