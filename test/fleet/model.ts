import type { Costs, ServerCosts } from "./cost-table.ts";

/** How often a bridge asks about each bucket, in seconds: `refresh_interval`. */
export const AUDIT_S = 30;
/** After a load it asks sooner, and each time waits twice as long: src/watch/auditor.ts. */
const FIRST_AUDIT_S = 1;
/** The first audit comes at a moment of chance; the answer is for so many of them, evenly spread. */
const MOMENTS = 100;

/** How often, on average, a bridge has audited a bucket so many seconds after its load. */
export function auditsWithin(seconds: number): number {
  let audits = 0;
  for (let moment = 0.5; moment < MOMENTS; moment++) {
    let interval = FIRST_AUDIT_S;
    for (let at = (moment / MOMENTS) * interval; at <= seconds; at += interval) {
      audits++;
      interval = Math.min(interval * 2, AUDIT_S);
    }
  }
  return audits / MOMENTS;
}

/** A fleet in which every bridge watches every bucket. */
export interface Fleet {
  readonly bridges: number;
  readonly buckets: number;
  /** Of each bucket. */
  readonly keys: number;
  /** Updates of each bucket in each second. */
  readonly updates: number;
}

/** What a fleet asks in each second while nothing happens but updates. */
export interface Load {
  readonly consumers: number;
  readonly deliveries: number;
  readonly requests: number;
  /** What bridges receive, in bytes. */
  readonly bytes: number;
  /** Processor time of all servers, in seconds. */
  readonly serverCpu: number;
  /** Processor time of all bridges, in seconds. */
  readonly bridgeCpu: number;
}

/** A heartbeat comes only when nothing else has come for a second. */
export function heartbeats(updates: number): number {
  return Math.exp(-updates);
}

export function steadyLoad(
  costs: Costs,
  { bridges, buckets, updates }: Fleet,
  servers: ServerCosts = costs.healthy,
): Load {
  const { bridge, wire } = costs;
  const consumers = bridges * buckets;
  const deliveries = consumers * updates;
  const quiet = consumers * heartbeats(updates);
  const requests = consumers / AUDIT_S;
  return {
    consumers,
    deliveries,
    requests,
    bytes: deliveries * wire.update + quiet * wire.heartbeat,
    serverCpu:
      servers.idle +
      buckets * (servers.stream + updates * servers.update) +
      quiet * servers.consumer +
      deliveries * servers.delivery +
      requests * costs.request,
    bridgeCpu: bridges * bridge.idle + consumers * bridge.bucket + deliveries * bridge.update,
  };
}

/** What one bridge can hold, and how much it takes. */
export interface Capacity {
  readonly keys: number;
  readonly memoryBytes: number;
  /** From the first byte to the last on one core, in seconds. */
  readonly loadSeconds: number;
  readonly loadBytes: number;
}

export function capacityFor(
  { peak, wire, bridge }: Costs,
  keys: number,
  buckets: number,
): Capacity {
  return {
    keys,
    memoryBytes: peak.emptyBytes + keys * peak.keyBytes,
    loadSeconds: buckets * bridge.open + keys * peak.key,
    loadBytes: buckets * wire.open + keys * wire.key,
  };
}

/** How many keys fit into so much memory. */
export function keysIn({ peak }: Costs, memoryBytes: number): number {
  return Math.max(0, Math.floor((memoryBytes - peak.emptyBytes) / peak.keyBytes));
}

/** How many updates in each second a bridge can take with this part of a core, when it follows so many buckets. */
export function updatesAt({ bridge, peak }: Costs, share: number, buckets: number): number {
  return Math.max(0, (share - bridge.idle - buckets * bridge.bucket) / peak.update);
}

/** How many quiet buckets a bridge can follow with this part of a core. */
export function bucketsAt({ bridge }: Costs, share: number): number {
  return Math.max(0, Math.floor((share - bridge.idle) / bridge.bucket));
}
