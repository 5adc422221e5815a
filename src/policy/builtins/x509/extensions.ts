import { RegoNumber, RegoObject, type Value } from "../value.ts";
import { goText } from "../go-text.ts";
import { DerReader, field, oidParts, TAG } from "./der.ts";
import { type AlternativeNames, NO_NAMES, readAlternativeNames } from "./general-names.ts";
import { base64 } from "./go-values.ts";
import { type NameConstraints, NO_CONSTRAINTS, readNameConstraints } from "./name-constraints.ts";
import { oidNumbers } from "./names.ts";

export interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Buffer;
}

/** Reads an extension's content. */
export function readExtension(content: DerReader): Extension {
  return {
    oid: content.oid("x509: malformed extension OID field"),
    isCritical:
      content.isNext(TAG.boolean) && content.boolean("x509: malformed extension critical field"),
    value: content.content(TAG.octetString, "x509: malformed extension value field"),
  };
}

/** A `pkix.Extension` of Go. */
export function extensionValue({ oid, isCritical, value }: Extension): Value {
  return new RegoObject([
    ["Id", oidNumbers(oid)],
    ["Critical", isCritical],
    ["Value", base64(value)],
  ]);
}

/** A limit on how many certificates may follow in a chain; undefined where there is none. */
export type Limit = bigint | undefined;

/** What a certificate's extensions say, as far as Go reads them. */
export interface ExtensionFields {
  keyUsage: number;
  basicConstraints: { readonly isCa: boolean; readonly maxPathLength: bigint } | undefined;
  names: AlternativeNames;
  nameConstraints: NameConstraints;
  crlDistributionPoints: string[];
  authorityKeyId: Buffer | undefined;
  subjectKeyId: Buffer | undefined;
  requireExplicitPolicy: Limit;
  inhibitPolicyMapping: Limit;
  inhibitAnyPolicy: Limit;
  /** As Go numbers them. */
  extendedKeyUsages: number[];
  unknownExtendedKeyUsages: string[];
  /** Object identifiers as they are encoded, in hexadecimal. Undefined where there is no such extension. */
  policies: string[] | undefined;
  /** As policies are; of these nobody has looked whether they are object identifiers. */
  policyMappings: { readonly issuer: string; readonly subject: string }[];
  ocspServers: string[];
  issuingCertificates: string[];
  /** The critical ones that Go does not, or not wholly, know. */
  unhandledCritical: string[];
}

export function noFields(): ExtensionFields {
  return {
    keyUsage: 0,
    basicConstraints: undefined,
    names: NO_NAMES,
    nameConstraints: NO_CONSTRAINTS,
    crlDistributionPoints: [],
    authorityKeyId: undefined,
    subjectKeyId: undefined,
    requireExplicitPolicy: undefined,
    inhibitPolicyMapping: undefined,
    inhibitAnyPolicy: undefined,
    extendedKeyUsages: [],
    unknownExtendedKeyUsages: [],
    policies: undefined,
    policyMappings: [],
    ocspServers: [],
    issuingCertificates: [],
    unhandledCritical: [],
  };
}

/** Reads one extension into the fields; false where Go does not, or not wholly, know it. */
type Handler = (extension: Extension, fields: ExtensionFields) => boolean | void;

export const SUBJECT_ALTERNATIVE_NAMES = "2.5.29.17";
export const NAME_CONSTRAINTS = "2.5.29.30";

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  [
    "2.5.29.14",
    (extension, fields) => {
      notCritical(extension, "subject key identifier");
      fields.subjectKeyId = new DerReader(extension.value).content(
        TAG.octetString,
        "x509: invalid subject key identifier",
      );
    },
  ],
  ["2.5.29.15", readKeyUsage],
  [
    SUBJECT_ALTERNATIVE_NAMES,
    ({ value }, fields) => {
      fields.names = readAlternativeNames(value);
      return Object.values(fields.names).some((list: readonly unknown[]) => list.length > 0);
    },
  ],
  ["2.5.29.19", readBasicConstraints],
  [
    NAME_CONSTRAINTS,
    ({ value, isCritical }, fields) => {
      fields.nameConstraints = readNameConstraints(value, isCritical);
      return fields.nameConstraints.areAllKnown;
    },
  ],
  ["2.5.29.31", readDistributionPoints],
  ["2.5.29.32", readPolicies],
  ["2.5.29.33", readPolicyMappings],
  ["2.5.29.35", readAuthorityKeyId],
  ["2.5.29.36", readPolicyConstraints],
  ["2.5.29.37", readExtendedKeyUsage],
  [
    "2.5.29.54",
    ({ value }, fields) => {
      fields.inhibitAnyPolicy = new DerReader(value).int64(
        "x509: invalid inhibit any policy extension",
      );
    },
  ],
  ["1.3.6.1.5.5.7.1.1", readAuthorityInfoAccess],
]);

export function readFields(extensions: readonly Extension[]): ExtensionFields {
  const fields = noFields();
  for (const extension of extensions) {
    const isHandled = HANDLERS.get(extension.oid)?.(extension, fields);
    const isKnown = HANDLERS.has(extension.oid) && isHandled !== false;
    if (extension.isCritical && !isKnown) fields.unhandledCritical.push(extension.oid);
  }
  return fields;
}

function notCritical({ isCritical }: Extension, what: string): void {
  if (isCritical) throw new Error(`x509: ${what} incorrectly marked critical`);
}

function readKeyUsage({ value }: Extension, fields: ExtensionFields): void {
  const { bytes, length } = new DerReader(value).bits("x509: invalid key usage");
  fields.keyUsage = 0;
  for (let bit = 0; bit < Math.min(9, length); bit++) {
    if ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) fields.keyUsage |= 1 << bit;
  }
}

function readBasicConstraints({ value }: Extension, fields: ExtensionFields): void {
  const problem = "x509: invalid basic constraints";
  const reader = new DerReader(value).sequence(problem);
  const isCa = reader.isNext(TAG.boolean) && reader.boolean(problem);
  const maxPathLength = reader.isNext(TAG.integer) ? reader.int64(problem) : undefined;
  if (maxPathLength !== undefined && maxPathLength < 0n) throw new Error(problem);
  fields.basicConstraints = { isCa, maxPathLength: maxPathLength ?? -1n };
}

const URI = field(6, false);

function readDistributionPoints({ value }: Extension, fields: ExtensionFields): void {
  const points = new DerReader(value).sequence("x509: invalid CRL distribution points");
  const problem = "x509: invalid CRL distribution point";
  while (!points.isEmpty) {
    const point = points.sequence(problem);
    if (!point.isNext(field(0, true))) continue;
    const names = point.inside(field(0, true), problem).inside(field(0, true), problem);
    while (names.isNext(URI)) {
      fields.crlDistributionPoints.push(goText(names.content(URI, problem)));
    }
  }
}

function readAuthorityKeyId(extension: Extension, fields: ExtensionFields): void {
  notCritical(extension, "authority key identifier");
  const problem = "x509: invalid authority key identifier";
  const reader = new DerReader(extension.value).sequence(problem);
  fields.authorityKeyId = reader.isNext(field(0, false))
    ? reader.content(field(0, false), problem)
    : undefined;
}

function readPolicyConstraints({ value }: Extension, fields: ExtensionFields): void {
  const problem = "x509: invalid policy constraints extension";
  const reader = new DerReader(value).sequence(problem);
  const limit = (number: number): Limit =>
    reader.isNext(field(number, false)) ? reader.int64(problem, field(number, false)) : undefined;
  fields.requireExplicitPolicy = limit(0);
  fields.inhibitPolicyMapping = limit(1);
}

/** As Go numbers them. */
const EXTENDED_KEY_USAGES: ReadonlyMap<string, number> = new Map(
  [
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.3",
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.3.6.1.4.1.311.2.1.22",
    "1.3.6.1.4.1.311.61.1.1",
  ].map((oid, number) => [oid, number]),
);

function readExtendedKeyUsage({ value }: Extension, fields: ExtensionFields): void {
  const problem = "x509: invalid extended key usages";
  const reader = new DerReader(value).sequence(problem);
  while (!reader.isEmpty) {
    const oid = reader.oid(problem);
    const number = EXTENDED_KEY_USAGES.get(oid);
    if (number === undefined) fields.unknownExtendedKeyUsages.push(oid);
    else fields.extendedKeyUsages.push(number);
  }
}

function readPolicies({ value }: Extension, fields: ExtensionFields): void {
  const problem = "x509: invalid certificate policies";
  const reader = new DerReader(value).sequence(problem);
  const policies = new Set<string>();
  while (!reader.isEmpty) {
    const content = reader.sequence(problem).content(TAG.oid, problem);
    const policy = content.toString("hex");
    if (policies.has(policy) || oidParts(content) === undefined) throw new Error(problem);
    policies.add(policy);
  }
  fields.policies = [...policies];
}

function readPolicyMappings({ value }: Extension, fields: ExtensionFields): void {
  const problem = "x509: invalid policy mappings extension";
  const reader = new DerReader(value).sequence(problem);
  while (!reader.isEmpty) {
    const mapping = reader.sequence(problem);
    const [issuer = "", subject = ""] = [0, 1].map(() =>
      mapping.content(TAG.oid, problem).toString("hex"),
    );
    fields.policyMappings.push({ issuer, subject });
  }
}

function readAuthorityInfoAccess(extension: Extension, fields: ExtensionFields): void {
  notCritical(extension, "authority info access");
  const problem = "x509: invalid authority info access";
  const reader = new DerReader(extension.value).sequence(problem);
  while (!reader.isEmpty) {
    const access = reader.sequence(problem);
    const method = access.oid(problem);
    if (!access.isNext(URI)) continue;
    const location = goText(access.content(URI, problem));
    if (method === "1.3.6.1.5.5.7.48.1") fields.ocspServers.push(location);
    if (method === "1.3.6.1.5.5.7.48.2") fields.issuingCertificates.push(location);
  }
}

/** A limit as Go has it: its number, 0 where there is none, and whether it is there and 0. */
export function limitFields(name: string, limit: Limit): [name: string, value: Value][] {
  return [
    [name, new RegoNumber(limit ?? 0n)],
    [`${name}Zero`, limit === 0n],
  ];
}
