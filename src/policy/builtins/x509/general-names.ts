import { isAscii } from "node:buffer";
import { textOfBytes } from "../go-text.ts";
import { type GoUrl, parseUrl, urlText } from "../go-url.ts";
import { addressText } from "../addresses.ts";
import { RegoObject, type Value } from "../value.ts";
import { DerReader, unsigned } from "./der.ts";
import { isDomain } from "./domains.ts";

/** The names that a certificate is for (RFC 5280, 4.2.1.6), as far as Go reads them. */
export interface AlternativeNames {
  readonly dns: readonly string[];
  readonly emails: readonly string[];
  /** Of 4 or 16 bytes. */
  readonly addresses: readonly Buffer[];
  readonly uris: readonly GoUrl[];
}

export const NO_NAMES: AlternativeNames = { dns: [], emails: [], addresses: [], uris: [] };

const KIND = { email: 0x81, dns: 0x82, uri: 0x86, address: 0x87 };

export function readAlternativeNames(value: Buffer): AlternativeNames {
  const names = new DerReader(value).sequence("x509: invalid subject alternative names");
  const dns: string[] = [];
  const emails: string[] = [];
  const addresses: Buffer[] = [];
  const uris: GoUrl[] = [];
  while (!names.isEmpty) {
    const { tag, content } = names.any("x509: invalid subject alternative name");
    if (tag === KIND.email) emails.push(ascii(content, "x509: SAN rfc822Name is malformed"));
    if (tag === KIND.dns) dns.push(ascii(content, "x509: SAN dNSName is malformed"));
    if (tag === KIND.address) addresses.push(checkedAddress(content));
    if (tag === KIND.uri) uris.push(uri(content));
  }
  return { dns, emails, addresses, uris };
}

/** Text of ASCII characters; throws the problem for any other. */
export function ascii(bytes: Buffer, problem: string): string {
  if (!isAscii(bytes)) throw new Error(problem);
  return bytes.toString("latin1");
}

function checkedAddress(bytes: Buffer): Buffer {
  if (bytes.length === 4 || bytes.length === 16) return bytes;
  throw new Error(`x509: cannot parse IP address of length ${bytes.length}`);
}

function uri(content: Buffer): GoUrl {
  const text = ascii(content, "x509: SAN uniformResourceIdentifier is malformed");
  const url = parseUrl(text);
  if (url.host !== "" && !isDomain(url.host)) {
    throw new Error(`x509: cannot parse URI ${JSON.stringify(text)}: invalid domain`);
  }
  return url;
}

/** An address as Go writes it: one of IPv4 in IPv6's form is one of IPv4. */
export function ipText(bytes: Buffer): string {
  return addressText({ bits: bytes.length === 4 ? 32 : 128, value: unsigned(bytes) });
}

/** A `url.URL` of Go, which hides who the user is. */
export function urlValue(url: GoUrl): Value {
  const fields: [name: string, value: Value][] = [
    ["Scheme", url.scheme],
    ["Opaque", url.opaque],
    ["Host", url.host],
    ["Path", url.path],
    ["RawPath", url.rawPath],
    ["RawQuery", url.rawQuery],
    ["Fragment", url.fragment],
    ["RawFragment", url.rawFragment],
  ].map(([name = "", bytes = ""]) => [name, textOfBytes(bytes)]);
  return new RegoObject([
    ...fields,
    ["User", url.user === undefined ? null : new RegoObject()],
    ["ForceQuery", url.forceQuery],
    ["OmitHost", url.omitHost],
  ]);
}

/** The whole URL as text. */
export function uriString(url: GoUrl): string {
  return textOfBytes(urlText(url));
}
