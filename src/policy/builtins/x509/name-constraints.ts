import { isIP } from "node:net";
import { RegoObject, type Value } from "../value.ts";
import { DerReader, type DerElement, field } from "./der.ts";
import { isDomain, parseMailbox } from "./domains.ts";
import { ascii, ipText } from "./general-names.ts";
import { base64, listOrNull } from "./go-values.ts";

/** A network: an address, and a mask of the same length. */
export interface IpRange {
  readonly address: Buffer;
  readonly mask: Buffer;
}

/** The names that a constraint is about; domains may begin with a dot. */
export interface Subtrees {
  readonly dns: readonly string[];
  readonly addresses: readonly IpRange[];
  /** Mailboxes, or domains of them. */
  readonly emails: readonly string[];
  readonly uris: readonly string[];
}

/** Which names an authority may certify (RFC 5280, 4.2.1.10). */
export interface NameConstraints {
  readonly isCritical: boolean;
  readonly permitted: Subtrees;
  readonly excluded: Subtrees;
  /** Whether there are none of kinds that Go does not know. */
  readonly areAllKnown: boolean;
}

const NOTHING: Subtrees = { dns: [], addresses: [], emails: [], uris: [] };

export const NO_CONSTRAINTS: NameConstraints = {
  isCritical: false,
  permitted: NOTHING,
  excluded: NOTHING,
  areAllKnown: true,
};

const PROBLEM = "x509: invalid NameConstraints extension";
const EMPTY = Buffer.alloc(0);
const KIND = { email: 0x81, dns: 0x82, uri: 0x86, address: 0x87 };

export function readNameConstraints(value: Buffer, isCritical: boolean): NameConstraints {
  const outer = new DerReader(value);
  const reader = outer.sequence(PROBLEM);
  if (!outer.isEmpty) throw new Error(PROBLEM);
  const [permitted = EMPTY, excluded = EMPTY] = [0, 1].map((number) =>
    reader.isNext(field(number, true)) ? reader.content(field(number, true), PROBLEM) : EMPTY,
  );
  if (!reader.isEmpty) throw new Error(PROBLEM);
  if (permitted.length === 0 && excluded.length === 0) {
    throw new Error("x509: empty name constraints extension");
  }
  const [allowed, forbidden] = [readSubtrees(permitted), readSubtrees(excluded)];
  return {
    isCritical,
    permitted: allowed.subtrees,
    excluded: forbidden.subtrees,
    areAllKnown: allowed.areAllKnown && forbidden.areAllKnown,
  };
}

function readSubtrees(content: Buffer): { subtrees: Subtrees; areAllKnown: boolean } {
  const reader = new DerReader(content);
  const dns: string[] = [];
  const addresses: IpRange[] = [];
  const emails: string[] = [];
  const uris: string[] = [];
  let areAllKnown = true;
  while (!reader.isEmpty) {
    const base = reader.sequence(PROBLEM).any(PROBLEM);
    if (base.tag === KIND.dns) dns.push(domain(base, "dnsName"));
    else if (base.tag === KIND.address) addresses.push(range(base));
    else if (base.tag === KIND.email) emails.push(mailbox(base));
    else if (base.tag === KIND.uri) uris.push(uriDomain(base));
    else areAllKnown = false;
  }
  return { subtrees: { dns, addresses, emails, uris }, areAllKnown };
}

function text({ content }: DerElement): string {
  const shown = JSON.stringify(content.toString("latin1"));
  return ascii(
    content,
    `x509: invalid constraint value: ${shown} cannot be encoded as an IA5String`,
  );
}

function domain(element: DerElement, what: string): string {
  const name = text(element);
  if (isDomain(name, true)) return name;
  throw new Error(`x509: failed to parse ${what} constraint ${JSON.stringify(name)}`);
}

function mailbox(element: DerElement): string {
  const name = text(element);
  if (!name.includes("@")) return domain(element, "rfc822Name");
  if (parseMailbox(name) !== undefined) return name;
  throw new Error(`x509: failed to parse rfc822Name constraint ${JSON.stringify(name)}`);
}

function uriDomain(element: DerElement): string {
  const name = domain(element, "URI");
  if (isIP(name) === 0 || name.includes("%")) return name;
  throw new Error(
    `x509: failed to parse URI constraint ${JSON.stringify(name)}: cannot be IP address`,
  );
}

function range({ content }: DerElement): IpRange {
  if (content.length !== 8 && content.length !== 32) {
    throw new Error(`x509: IP constraint contained value of length ${content.length}`);
  }
  const half = content.length / 2;
  const mask = content.subarray(half);
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, "0")).join("");
  if (!/^1*0*$/.test(bits)) {
    throw new Error(`x509: IP constraint contained invalid mask ${mask.toString("hex")}`);
  }
  return { address: content.subarray(0, half), mask };
}

/** The fields of Go's certificate that tell the constraints. */
export function constraintFields(constraints: NameConstraints): [name: string, value: Value][] {
  const { permitted, excluded } = constraints;
  const ranges = ({ addresses }: Subtrees): Value =>
    listOrNull(
      addresses.map(
        ({ address, mask }) =>
          new RegoObject([
            ["IP", ipText(address)],
            ["Mask", base64(mask)],
          ]),
      ),
    );
  return [
    ["PermittedDNSDomainsCritical", constraints.isCritical],
    ["PermittedDNSDomains", listOrNull(permitted.dns)],
    ["ExcludedDNSDomains", listOrNull(excluded.dns)],
    ["PermittedIPRanges", ranges(permitted)],
    ["ExcludedIPRanges", ranges(excluded)],
    ["PermittedEmailAddresses", listOrNull(permitted.emails)],
    ["ExcludedEmailAddresses", listOrNull(excluded.emails)],
    ["PermittedURIDomains", listOrNull(permitted.uris)],
    ["ExcludedURIDomains", listOrNull(excluded.uris)],
  ];
}
