import { isAscii, isUtf8 } from "node:buffer";
import { RegoNumber, RegoObject, type Value } from "../value.ts";
import { base64, listOrNull } from "./go-values.ts";
import {
  bitsOf,
  booleanOf,
  DerReader,
  integerOf,
  isSmallOid,
  oidParts,
  oidText,
  TAG,
} from "./der.ts";
import { timeOf } from "./times.ts";

/** One attribute of a name, such as the common name. */
export interface Attribute {
  readonly oid: string;
  readonly value: Value;
  /** Bytes and times are shown as texts, but are none. */
  readonly isText: boolean;
}

const PROBLEM = "x509: invalid RDNSequence";

/** The attributes of a certificate's name (RFC 5280, 4.1.2.4), which are texts. */
export function certificateName(whole: Buffer): Attribute[] {
  return readName(whole, (tag, content) => {
    const text = asn1Text(tag, content);
    if (text === undefined) throw new Error(`${PROBLEM}: invalid attribute value`);
    return text;
  });
}

/** The attributes of a name in a request, which Go reads by other rules: they may be of any type. */
export function requestName(whole: Buffer): Attribute[] {
  return readName(whole, anyValue);
}

function readName(whole: Buffer, read: (tag: number, content: Buffer) => Value): Attribute[] {
  const attributes: Attribute[] = [];
  const sets = new DerReader(whole).sequence(PROBLEM);
  while (!sets.isEmpty) {
    const set = sets.inside(TAG.set, PROBLEM);
    while (!set.isEmpty) {
      const attribute = set.sequence(`${PROBLEM}: invalid attribute`);
      const oid = attribute.oid(`${PROBLEM}: invalid attribute type`);
      const { tag, content } = attribute.any(`${PROBLEM}: invalid attribute value`);
      attributes.push({ oid, value: read(tag, content), isText: TEXT_TAGS.has(tag) });
    }
  }
  return attributes;
}

const TEXT_TAGS: ReadonlySet<number> = new Set([
  TAG.utf8String,
  TAG.numericString,
  TAG.printableString,
  TAG.t61String,
  TAG.ia5String,
  TAG.bmpString,
]);

/** The text of an ASN.1 string; undefined for what is none, or has other characters than it may. */
function asn1Text(tag: number, content: Buffer): string | undefined {
  const latin1 = content.toString("latin1");
  switch (tag) {
    case TAG.t61String:
      return latin1;
    case TAG.printableString:
      // With `*` and `&`, which are common though they are not allowed.
      return /^[A-Za-z\d'()+,\-./ :=?*&]*$/.test(latin1) ? latin1 : undefined;
    case TAG.numericString:
      return /^[\d ]*$/.test(latin1) ? latin1 : undefined;
    case TAG.ia5String:
      return isAscii(content) ? latin1 : undefined;
    case TAG.utf8String:
      return isUtf8(content) ? content.toString("utf8") : undefined;
    case TAG.bmpString:
      return bmpText(content);
    default:
      return undefined;
  }
}

function bmpText(content: Buffer): string | undefined {
  if (content.length % 2 !== 0) return undefined;
  const text = Buffer.from(content).swap16().toString("utf16le");
  const plain = text.endsWith("\0") ? text.slice(0, -1) : text;
  // Halves of pairs, and what will never be a character.
  return /[\uD800-\uDFFF\uFDD0-\uFDEF\uFFFE\uFFFF]/.test(plain) ? undefined : plain;
}

/** A value as Go reads what may be anything; null for what it does not know. */
export function anyValue(tag: number, content: Buffer): Value {
  const value = universalValue(tag, content);
  if (value === undefined) throw new Error("asn1: structure error: invalid value");
  return value;
}

function universalValue(tag: number, content: Buffer): Value | undefined {
  switch (tag) {
    case TAG.boolean:
      return booleanOf(content);
    case TAG.integer: {
      const value = content.length > 8 ? undefined : integerOf(content);
      return value === undefined ? undefined : new RegoNumber(value);
    }
    case TAG.bitString: {
      const bits = bitsOf(content);
      if (bits === undefined) return undefined;
      return new RegoObject([
        ["Bytes", base64(bits.bytes)],
        ["BitLength", new RegoNumber(bits.length)],
      ]);
    }
    case TAG.oid: {
      const parts = oidParts(content);
      return parts !== undefined && isSmallOid(parts) ? oidNumbers(oidText(parts)) : undefined;
    }
    case TAG.octetString:
      return base64(content);
    case TAG.utcTime:
    case TAG.generalizedTime:
      return timeOf(tag, content, true)?.text;
    default:
      return TEXT_TAGS.has(tag) ? asn1Text(tag, content) : null;
  }
}

/** An object identifier as Go writes it into JSON: a list of numbers. */
export function oidNumbers(oid: string): Value {
  return oid.split(".").map((part) => new RegoNumber(part));
}

const LISTS: readonly (readonly [name: string, oid: string])[] = [
  ["Country", "2.5.4.6"],
  ["Organization", "2.5.4.10"],
  ["OrganizationalUnit", "2.5.4.11"],
  ["Locality", "2.5.4.7"],
  ["Province", "2.5.4.8"],
  ["StreetAddress", "2.5.4.9"],
  ["PostalCode", "2.5.4.17"],
];
const TEXTS: readonly (readonly [name: string, oid: string])[] = [
  ["SerialNumber", "2.5.4.5"],
  ["CommonName", "2.5.4.3"],
];

/** A `pkix.Name` of Go. */
export function nameValue(attributes: readonly Attribute[]): Value {
  const texts = (wanted: string): Value[] =>
    attributes.filter(({ oid, isText }) => oid === wanted && isText).map(({ value }) => value);
  return new RegoObject([
    ...LISTS.map(([name, oid]) => [name, listOrNull(texts(oid))] as const),
    ...TEXTS.map(([name, oid]) => [name, texts(oid).at(-1) ?? ""] as const),
    ["Names", listOrNull(attributes.map(attributeValue))],
    ["ExtraNames", null],
  ]);
}

/** A `pkix.AttributeTypeAndValue` of Go. */
export function attributeValue({ oid, value }: Omit<Attribute, "isText">): Value {
  return new RegoObject([
    ["Type", oidNumbers(oid)],
    ["Value", value],
  ]);
}
