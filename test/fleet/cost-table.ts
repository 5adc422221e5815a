/** For how long after a load its requests are counted with it, in seconds. */
export const COUNTED_S = 7;

/** What the servers of a cluster spend, all of them together, in seconds of processor time. */
export interface ServerCosts {
  /** In each second, with no stream. */
  readonly idle: number;
  /** In each second, for each stream. */
  readonly stream: number;
  /** For each consumer that has nothing to deliver, in each second: a heartbeat. */
  readonly consumer: number;
  /** For each update that is stored, whoever listens. */
  readonly update: number;
  /** For each update that is handed to one consumer. */
  readonly delivery: number;
  /** For each stream that a bridge opens, from its first question until the consumer is forgotten. */
  readonly open: number;
  /** For each key of such a stream's snapshot. */
  readonly key: number;
}

/** What one bridge spends, in seconds of processor time. */
export interface BridgeCosts {
  /** In each second, with no bucket. */
  readonly idle: number;
  /** For each bucket that it follows, in each second. */
  readonly bucket: number;
  /** For each update. */
  readonly update: number;
  /** For each bucket that it loads again. */
  readonly open: number;
  /** For each key of it. */
  readonly key: number;
}

/** What a bridge receives, in bytes on the wire. */
export interface WireCosts {
  readonly heartbeat: number;
  readonly update: number;
  readonly open: number;
  readonly key: number;
}

/** What one bridge can do when it has as much to do as it can. */
export interface PeakCosts {
  /** Seconds of processor time for each key, when a process that is warm loads a large bucket. */
  readonly key: number;
  /** For each update, when many come at once. */
  readonly update: number;
  /** Resident set that a key takes, in bytes; policy's copy included. */
  readonly keyBytes: number;
  /** Resident set of a bridge with next to no keys, in bytes. */
  readonly emptyBytes: number;
}

/** Everything that was measured, and nothing that was assumed. */
export interface Costs {
  readonly healthy: ServerCosts;
  /** With one node of three lost. */
  readonly wounded: ServerCosts;
  readonly bridge: BridgeCosts;
  readonly wire: WireCosts;
  readonly peak: PeakCosts;
  /** JetStream requests for each stream opened, with the audits of its first {@link COUNTED_S}. */
  readonly requestsPerOpen: number;
  /** Processor time of the servers for one question about a bucket, in seconds. */
  readonly request: number;
  /** Time on the clock for each consumer, when many are made at once: the leader makes one after the other. */
  readonly createWall: number;
  /** The servers' processor time for one connection, in seconds. */
  readonly connection: number;
  /** From a node's loss until its streams could be written to again, in seconds: each stream's. */
  readonly elections: readonly number[];
}
