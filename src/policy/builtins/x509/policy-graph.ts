import type { Certificate } from "./certificate.ts";
import type { Limit } from "./extensions.ts";

/** 2.5.29.32.0 */
const ANY_POLICY = "551d2000";

interface Node {
  readonly policy: string;
  expected: readonly string[];
  readonly parents: Set<Node>;
  readonly children: Set<Node>;
}

type Stratum = Map<string, Node>;

/** The policies that are valid at each depth of a chain (RFC 9618, 3). */
class PolicyGraph {
  readonly #strata: Stratum[] = [new Map([[ANY_POLICY, node(ANY_POLICY, [])]])];
  #byExpected = new Map<string, Node[]>();

  get leaves(): Stratum {
    return this.#strata.at(-1)!;
  }

  get #above(): Stratum {
    return this.#strata.at(-2) ?? new Map<string, Node>();
  }

  descend(): void {
    this.#byExpected = new Map();
    for (const leaf of this.leaves.values()) {
      for (const expected of leaf.expected) append(this.#byExpected, expected, leaf);
    }
    this.#strata.push(new Map());
  }

  insert(leaf: Node): void {
    this.leaves.set(leaf.policy, leaf);
  }

  /** Adds a certificate's policy where one above expects it, or any. */
  add(policy: string): void {
    const any = this.#above.get(ANY_POLICY);
    const parents = this.#byExpected.get(policy) ?? (any === undefined ? [] : [any]);
    if (parents.length > 0) this.insert(node(policy, parents));
  }

  /** Adds all that is expected above and not there yet: the certificate has any policy. */
  addExpected(): void {
    const missing = new Map<string, Node[]>();
    for (const parent of this.#above.values()) {
      for (const expected of parent.expected) {
        if (!this.leaves.has(expected)) append(missing, expected, parent);
      }
    }
    for (const [policy, parents] of missing) this.insert(node(policy, parents));
  }

  remove(policy: string): void {
    const leaf = this.leaves.get(policy);
    if (leaf === undefined) return;
    for (const parent of leaf.parents) parent.children.delete(leaf);
    this.leaves.delete(policy);
  }

  /** Removes what leads to no leaf. */
  prune(): void {
    for (let depth = this.#strata.length - 2; depth > 0; depth--) {
      const stratum = this.#strata[depth]!;
      for (const [policy, inner] of stratum) {
        if (inner.children.size > 0) continue;
        for (const parent of inner.parents) parent.children.delete(inner);
        stratum.delete(policy);
      }
    }
  }

  /** Whether a policy holds for the whole chain. */
  get isValid(): boolean {
    if (this.leaves.has(ANY_POLICY)) return true;
    return this.#strata.some((stratum) =>
      [...stratum.values()].some(({ policy, parents }) => {
        const [parent, ...others] = parents;
        return policy !== ANY_POLICY && others.length === 0 && parent?.policy === ANY_POLICY;
      }),
    );
  }
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

function node(policy: string, parents: readonly Node[]): Node {
  const made: Node = {
    policy,
    expected: [policy],
    parents: new Set(parents),
    children: new Set(),
  };
  for (const parent of parents) parent.children.add(made);
  return made;
}

/** How many more certificates of a chain may go without a policy, may map policies, and may have any policy. */
interface Counters {
  explicitPolicy: number;
  policyMapping: number;
  anyPolicy: number;
}

/** Whether the policies of a chain, from the leaf to the root, are what the chain demands (RFC 5280, 6.1). */
export function arePoliciesValid(chain: readonly Certificate[]): boolean {
  const count = chain.length - 1;
  if (count === 0) return true;
  const counters: Counters = {
    explicitPolicy: count + 1,
    policyMapping: count + 1,
    anyPolicy: count + 1,
  };
  let graph: PolicyGraph | undefined = new PolicyGraph();
  // From the one below the root down to the leaf.
  for (let index = count - 1; index >= 0; index--) {
    const certificate = chain[index]!;
    const isSelfSigned = certificate.rawIssuer.equals(certificate.rawSubject);
    const policies = certificate.fields.policies ?? [];
    if (policies.length === 0) graph = undefined;
    if (graph === undefined) {
      if (counters.explicitPolicy === 0) return false;
    } else {
      addPolicies(graph, policies, counters.anyPolicy > 0 || (index > 0 && isSelfSigned));
      if (index > 0 && !mapPolicies(graph, certificate, counters.policyMapping > 0)) return false;
    }
    if (index > 0) countDown(counters, certificate, isSelfSigned);
  }
  let { explicitPolicy } = counters;
  if (explicitPolicy > 0) explicitPolicy--;
  if (chain[0]!.fields.requireExplicitPolicy === 0n) explicitPolicy = 0;
  return explicitPolicy > 0 || graph?.isValid === true;
}

function addPolicies(graph: PolicyGraph, policies: readonly string[], isAnyAllowed: boolean): void {
  graph.descend();
  for (const policy of policies) if (policy !== ANY_POLICY) graph.add(policy);
  if (policies.includes(ANY_POLICY) && isAnyAllowed) graph.addExpected();
  graph.prune();
}

/** False where a mapping is one that may not be. */
function mapPolicies(graph: PolicyGraph, certificate: Certificate, isAllowed: boolean): boolean {
  const mappings = new Map<string, string[]>();
  for (const { issuer, subject } of certificate.fields.policyMappings) {
    if (!isAllowed) {
      graph.remove(issuer);
      continue;
    }
    if (issuer === ANY_POLICY || subject === ANY_POLICY) return false;
    append(mappings, issuer, subject);
  }
  graph.prune();
  for (const [issuer, subjects] of mappings) {
    const leaf = graph.leaves.get(issuer);
    const any = graph.leaves.get(ANY_POLICY);
    if (leaf !== undefined) leaf.expected = subjects;
    else if (any !== undefined) {
      const mapped = node(issuer, [any]);
      mapped.expected = subjects;
      graph.insert(mapped);
    }
  }
  return true;
}

function countDown(counters: Counters, { fields }: Certificate, isSelfSigned: boolean): void {
  if (!isSelfSigned) {
    counters.explicitPolicy = Math.max(0, counters.explicitPolicy - 1);
    counters.policyMapping = Math.max(0, counters.policyMapping - 1);
    counters.anyPolicy = Math.max(0, counters.anyPolicy - 1);
  }
  counters.explicitPolicy = least(counters.explicitPolicy, fields.requireExplicitPolicy);
  counters.policyMapping = least(counters.policyMapping, fields.inhibitPolicyMapping);
  counters.anyPolicy = least(counters.anyPolicy, fields.inhibitAnyPolicy);
}

function least(counter: number, limit: Limit): number {
  return limit === undefined || limit < 0n ? counter : Math.min(counter, Number(limit));
}
