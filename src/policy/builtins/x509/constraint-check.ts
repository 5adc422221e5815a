import { isIP } from "node:net";
import { textOfBytes } from "../go-text.ts";
import type { GoUrl } from "../go-url.ts";
import type { Certificate } from "./certificate.ts";
import { unsigned } from "./der.ts";
import { isDomain, type Mailbox, parseMailbox } from "./domains.ts";
import { NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAMES } from "./extensions.ts";
import type { IpRange, Subtrees } from "./name-constraints.ts";

/** What one verification may cost: Go sets no limit, but a decision must end. */
const MAX_COMPARISONS = 250_000;
/** No name that is in use is longer. */
const MAX_NAME_LENGTH = 1024;

/** Holds the names of chains against the constraints of the authorities above them (RFC 5280, 4.2.1.10). */
export class NameCheck {
  readonly #rules = new Map<Certificate, Rules>();
  #left = MAX_COMPARISONS;

  /** Whether each authority of a chain, from the leaf to the root, may certify all names below it. */
  isPassedBy(chain: readonly Certificate[]): boolean {
    return chain.every((certificate, index) => {
      if (!hasExtension(certificate, SUBJECT_ALTERNATIVE_NAMES)) return true;
      const above = chain
        .slice(index + 1)
        .filter((authority) => hasExtension(authority, NAME_CONSTRAINTS));
      if (above.length === 0) return true;
      const names = namesOf(certificate);
      if (names === undefined) return false;
      this.#left -= above.length * names.comparisons;
      return this.#left >= 0 && above.every((authority) => isAllowed(names, this.#of(authority)));
    });
  }

  #of(authority: Certificate): Rules {
    let rules = this.#rules.get(authority);
    if (rules === undefined) this.#rules.set(authority, (rules = rulesOf(authority)));
    return rules;
  }
}

function hasExtension(certificate: Certificate, oid: string): boolean {
  return certificate.extensions.some((extension) => extension.oid === oid);
}

interface Names {
  readonly dns: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly Mailbox[];
  readonly addresses: readonly Buffer[];
  /** How many it takes at most to hold all of them against one authority's constraints. */
  readonly comparisons: number;
}

/** The names as constraints are about them; undefined where there is one that can't be held against any. */
function namesOf({ fields: { names } }: Certificate): Names | undefined {
  const uris = names.uris.map(hostOf);
  const emails = names.emails.map(parseMailbox);
  const domains = [...uris, ...emails.map((mailbox) => mailbox?.domain), ...names.dns];
  let comparisons = names.addresses.reduce((sum, { length }) => sum + length * 8, 0);
  for (const domain of domains) {
    if (domain === undefined || domain.length > MAX_NAME_LENGTH || !isDomain(domain)) {
      return undefined;
    }
    // Each label begins another domain.
    comparisons += domain.split(".").length;
  }
  return { ...names, uris: uris as string[], emails: emails as Mailbox[], comparisons };
}

/** The host that a URI names; undefined where it is none, or an address. */
function hostOf(uri: GoUrl): string | undefined {
  const host = lowerCase(textOfBytes(uri.host));
  if (host === "") return undefined;
  let name = host;
  if (host.includes(":") && !host.endsWith("]")) {
    const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):[^:[\]]*$/.exec(textOfBytes(uri.host));
    if (match === null) return undefined;
    name = match[1] ?? match[2] ?? "";
  }
  return isIP(name) !== 0 || (name.startsWith("[") && name.endsWith("]")) ? undefined : name;
}

function lowerCase(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

interface Rule<T> {
  /** Undefined: all are permitted. */
  readonly permits: ((name: T) => boolean) | undefined;
  readonly excludes: ((name: T) => boolean) | undefined;
}

interface Rules {
  readonly dns: Rule<string>;
  readonly uris: Rule<string>;
  readonly emails: Rule<Mailbox>;
  readonly addresses: Rule<Buffer>;
}

function rulesOf({ fields: { nameConstraints } }: Certificate): Rules {
  const { permitted, excluded } = nameConstraints;
  const rule = <T>(
    matcher: (subtrees: Subtrees, isExcluded: boolean) => ((name: T) => boolean) | undefined,
  ): Rule<T> => ({ permits: matcher(permitted, false), excludes: matcher(excluded, true) });
  return {
    dns: rule(({ dns }, isExcluded) => domainMatcher(dns, isExcluded)),
    uris: rule(({ uris }, isExcluded) => domainMatcher(uris, isExcluded)),
    emails: rule(({ emails }, isExcluded) => mailboxMatcher(emails, isExcluded)),
    addresses: rule(({ addresses }) => addressMatcher(addresses)),
  };
}

function isAllowed(names: Names, rules: Rules): boolean {
  const pass = <T>(list: readonly T[], { permits, excludes }: Rule<T>): boolean =>
    list.every((name) => permits?.(name) !== false && excludes?.(name) !== true);
  return (
    pass(names.addresses, rules.addresses) &&
    pass(names.dns, rules.dns) &&
    pass(names.uris, rules.uris) &&
    pass(names.emails, rules.emails)
  );
}

/**
 * Whether a domain is one of these, or below one; below only, where it begins with a dot. A wildcard is excluded
 * when something that it stands for is.
 */
function domainMatcher(
  domains: readonly string[],
  isExcluded: boolean,
): ((name: string) => boolean) | undefined {
  if (domains.length === 0) return undefined;
  const known = new Set(domains.map(lowerCase));
  if (known.has("")) return () => true;
  const parents = new Set([...known].map(withoutFirstLabel).filter((parent) => parent !== ""));
  return (name) => {
    const text = lowerCase(name);
    if (known.has(text)) return true;
    for (let dot = text.indexOf("."); dot >= 0; dot = text.indexOf(".", dot + 1)) {
      if (known.has(text.slice(dot)) || known.has(text.slice(dot + 1))) return true;
    }
    return isExcluded && text.startsWith("*") && parents.has(withoutFirstLabel(text));
  };
}

/** What follows the first label, from its dot on; empty where nothing does. */
function withoutFirstLabel(domain: string): string {
  const dot = domain.indexOf(".");
  return dot < 0 ? "" : domain.slice(dot);
}

function mailboxMatcher(
  emails: readonly string[],
  isExcluded: boolean,
): ((mailbox: Mailbox) => boolean) | undefined {
  if (emails.length === 0) return undefined;
  const text = ({ local, domain }: Mailbox): string => `${local}@${lowerCase(domain)}`;
  const mailboxes = emails.filter((email) => email.includes("@")).map(parseMailbox);
  const known = new Set(mailboxes.flatMap((mailbox) => (mailbox ? [text(mailbox)] : [])));
  const domains = domainMatcher(
    emails.filter((email) => !email.includes("@")),
    isExcluded,
  );
  return (mailbox) => known.has(text(mailbox)) || domains?.(mailbox.domain) === true;
}

/** Whether an address lies in one of these networks; there are only as many masks as an address has bits. */
function addressMatcher(ranges: readonly IpRange[]): ((address: Buffer) => boolean) | undefined {
  if (ranges.length === 0) return undefined;
  const networks = new Map<string, { mask: Buffer; known: Set<bigint> }>();
  for (const { address, mask } of ranges) {
    const key = mask.toString("hex");
    const entry = networks.get(key) ?? { mask, known: new Set<bigint>() };
    networks.set(key, entry);
    entry.known.add(unsigned(address) & unsigned(mask));
  }
  return (address) =>
    [...networks.values()].some(
      ({ mask, known }) =>
        mask.length === address.length && known.has(unsigned(address) & unsigned(mask)),
    );
}
