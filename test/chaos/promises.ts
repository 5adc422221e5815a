/**
 * What the bridge promises, in milliseconds; the oracle holds it to this.
 */

/** How old an answer may be without a fault, or once the bridge has recovered from one. */
export const BUDGET_MS = 2_000;

/** How old the copy of a bucket with a staleness budget may get, whatever happens: then decisions fail instead. */
export const STRICT_MS = 2_000;

/** How much older an answer may be than the copy: what is on its way, and a timer that is late. */
export const STRICT_SLACK_MS = 1_000;

/** How long after its time an entry may be seen, and how long before it may be gone already. */
export const EXPIRY_MS = 1_000;

/** Once NATS can be reached again, how long until what changed meanwhile reaches a decision. */
export const RECOVERY_MS = 2_000;

/**
 * The same where the bridge stays connected, and something was done to a bucket alone.
 * After each gap in a row, and each load that fails, a bucket waits longer before it is loaded again; for up to 4 s
 * after the third.
 */
export const RESYNC_MS: number = 4_000 + RECOVERY_MS;

/** How long a consumer may be silent before the bridge takes it for gone. */
export const SILENCE_MS = 3_500;

/** In a cluster that lost a node: how much longer until everything has to be equal. */
export const ELECTION_MS = 12_000;

/** At the end of a run: how long until everything has to be equal. */
export const CONVERGENCE_MS = 20_000;

/** How long a server keeps a consumer that nobody listens to, with some room. */
export const CONSUMERS_GONE_MS = 8_000;

/** The same in a cluster, which tries again only after 30 s when an election came in between. */
export const CONSUMERS_GONE_CLUSTER_MS = 60_000;
