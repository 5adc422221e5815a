import { KEY_ALGORITHM } from "./algorithms.ts";
import type { Certificate } from "./certificate.ts";
import { NameCheck } from "./constraint-check.ts";
import { SUBJECT_ALTERNATIVE_NAMES } from "./extensions.ts";
import { isForHost } from "./hostnames.ts";
import { arePoliciesValid } from "./policy-graph.ts";
import { isSignedBy } from "./public-keys.ts";

export interface VerifyOptions {
  /** The host that the leaf must be for; empty: none. */
  readonly host: string;
  /** Nanoseconds since 1970. */
  readonly now: bigint;
  /** Extended usages, of which one must be allowed, as Go numbers them; none: that of servers. */
  readonly usages: readonly number[];
}

const USAGE = { any: 0, server: 1 };
const CERT_SIGN = 1 << 5;
/** As in Go. Most chains are short, but of certificates with one name all may have to be tried. */
const MAX_SIGNATURE_CHECKS = 100;

/**
 * The first chain from the last certificate to the first one, over those between (RFC 5280, 6.1), as
 * `Certificate.Verify` of Go finds it; undefined where there is none.
 */
export function verifyChain(
  [root, ...others]: readonly Certificate[],
  options: VerifyOptions,
): readonly Certificate[] | undefined {
  const leaf = others.pop();
  if (root === undefined || leaf === undefined) return undefined;
  if (!isValid(leaf, "leaf", [], options.now)) return undefined;
  if (options.host !== "" && !isForHost(leaf, options.host)) return undefined;
  const builder = new ChainBuilder(root, others, options.now);
  const chains = leaf.raw.equals(root.raw) ? [[leaf]] : builder.chainsFrom([leaf]);
  const names = new NameCheck();
  const usages = options.usages.length === 0 ? [USAGE.server] : options.usages;
  return chains.find(
    (chain) =>
      arePoliciesValid(chain) &&
      (usages.includes(USAGE.any) || isUsageAllowed(chain, usages)) &&
      names.isPassedBy(chain),
  );
}

type Role = "leaf" | "intermediate" | "root";

/** Whether a certificate may be the next of a chain. */
function isValid(
  certificate: Certificate,
  role: Role,
  chain: readonly Certificate[],
  now: bigint,
): boolean {
  const { fields, notBefore, notAfter } = certificate;
  if (fields.unhandledCritical.length > 0) return false;
  const child = chain.at(-1);
  if (child !== undefined && !child.rawIssuer.equals(certificate.rawSubject)) return false;
  if (now < notBefore.instant || now > notAfter.instant) return false;
  const path = fields.basicConstraints;
  if (role === "intermediate" && path?.isCa !== true) return false;
  const longest = path?.maxPathLength ?? -1n;
  return longest < 0n || BigInt(chain.length - 1) <= longest;
}

class ChainBuilder {
  readonly #root: Certificate;
  readonly #intermediates: readonly Certificate[];
  readonly #now: bigint;
  #checks = 0;

  constructor(root: Certificate, intermediates: readonly Certificate[], now: bigint) {
    this.#root = root;
    const known = new Map(intermediates.map((each) => [each.raw.toString("latin1"), each]));
    this.#intermediates = [...known.values()];
    this.#now = now;
  }

  /** All chains that begin so and end at the root, the likeliest first. */
  chainsFrom(chain: readonly Certificate[]): (readonly Certificate[])[] {
    const last = chain.at(-1)!;
    const roots = likeliestFirst([this.#root], last);
    const others = likeliestFirst(this.#intermediates, last);
    return [
      ...roots.flatMap((parent) => this.#chainsOver(parent, "root", chain)),
      ...others.flatMap((parent) => this.#chainsOver(parent, "intermediate", chain)),
    ];
  }

  #chainsOver(
    parent: Certificate,
    role: Role,
    chain: readonly Certificate[],
  ): (readonly Certificate[])[] {
    if (++this.#checks > MAX_SIGNATURE_CHECKS) return [];
    if (parent.publicKey === undefined || isAlreadyIn(parent, chain)) return [];
    if (!hasSigned(parent, chain.at(-1)!)) return [];
    if (!isValid(parent, role, chain, this.#now)) return [];
    const longer = [...chain, parent];
    return role === "root" ? [longer] : this.chainsFrom(longer);
  }
}

/** Those whose name is the issuer's: where the keys' identifiers are the same, then where one lacks it, then the rest. */
function likeliestFirst(
  candidates: readonly Certificate[],
  { rawIssuer, fields: { authorityKeyId = NOTHING } }: Certificate,
): readonly Certificate[] {
  const rank = ({ fields: { subjectKeyId = NOTHING } }: Certificate): number => {
    if (subjectKeyId.equals(authorityKeyId)) return 0;
    return subjectKeyId.length === 0 || authorityKeyId.length === 0 ? 1 : 2;
  };
  return candidates
    .filter(({ rawSubject }) => rawSubject.equals(rawIssuer))
    .toSorted((a, b) => rank(a) - rank(b));
}

const NOTHING = Buffer.alloc(0);

/** Whether one of the same name, key and alternative names is in the chain: authorities may certify each other. */
function isAlreadyIn(candidate: Certificate, chain: readonly Certificate[]): boolean {
  const names = namesOf(candidate);
  for (const certificate of chain) {
    if (!candidate.rawSubject.equals(certificate.rawSubject)) continue;
    if (!candidate.rawPublicKey.equals(certificate.rawPublicKey)) continue;
    const others = namesOf(certificate);
    if (names === undefined || others === undefined) return names === others;
    if (names.equals(others)) return true;
  }
  return false;
}

function namesOf({ extensions }: Certificate): Buffer | undefined {
  return extensions.find(({ oid }) => oid === SUBJECT_ALTERNATIVE_NAMES)?.value;
}

/** Whether a certificate has signed another, and may. */
function hasSigned({ version, fields, publicKey }: Certificate, child: Certificate): boolean {
  const path = fields.basicConstraints;
  if (path === undefined ? version === 3 : !path.isCa) return false;
  if (fields.keyUsage !== 0 && (fields.keyUsage & CERT_SIGN) === 0) return false;
  if (publicKey === undefined || publicKey.algorithm === KEY_ALGORITHM.unknown) return false;
  return isSignedBy(publicKey, child.signatureAlgorithm, child.rawTbs, child.signature);
}

/** Whether one of the usages is allowed by every certificate that names some. */
function isUsageAllowed(chain: readonly Certificate[], usages: readonly number[]): boolean {
  let left = usages;
  for (const { fields } of chain.toReversed()) {
    const { extendedKeyUsages: allowed, unknownExtendedKeyUsages: unknown } = fields;
    if (allowed.length === 0 && unknown.length === 0) continue;
    if (allowed.includes(USAGE.any)) continue;
    left = left.filter((usage) => allowed.includes(usage));
    if (left.length === 0) return false;
  }
  return true;
}
