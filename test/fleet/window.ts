import { setTimeout as delay } from "node:timers/promises";
import type { Updates } from "./buckets.ts";
import type { FleetCluster } from "./cluster.ts";
import { sum } from "./fit.ts";
import type { Worker } from "./worker-process.ts";
import type { Sample } from "./worker.ts";

/** What was used from one moment to another. */
export interface Window {
  readonly seconds: number;
  /** Of the servers, in seconds. */
  readonly cpu: number;
  readonly requests: number;
  readonly updates: number;
  readonly workers: readonly Used[];
}

/** What one bridge has used. */
export interface Used {
  readonly cpu: number;
  readonly bytes: number;
  readonly entries: number;
  readonly opened: number;
  readonly listed: number;
}

/** Begins a window; the answer ends it. */
export async function begin(
  cluster: FleetCluster,
  workers: readonly Worker[],
  updates?: Updates,
): Promise<() => Promise<Window>> {
  const before = await Promise.all(workers.map((worker) => worker.sample()));
  const requests = await cluster.requests();
  const taken = updates?.total ?? 0;
  const at = performance.now();
  const cpu = cluster.cpu();
  return async () => {
    const used = cluster.cpu() - cpu;
    const seconds = (performance.now() - at) / 1_000;
    const after = await Promise.all(workers.map((worker) => worker.sample()));
    return {
      seconds,
      cpu: used,
      requests: (await cluster.requests()) - requests,
      updates: (updates?.total ?? 0) - taken,
      workers: after.map((sample, index) => usedSince(before[index]!, sample)),
    };
  };
}

export function usedSince(before: Sample, after: Sample): Used {
  return {
    cpu: after.cpu - before.cpu,
    bytes: after.bytes - before.bytes,
    entries: after.entries - before.entries,
    opened: after.opened - before.opened,
    listed: after.listed - before.listed,
  };
}

/** What is used in so many milliseconds in which nothing is done. */
export async function windowOf(
  cluster: FleetCluster,
  workers: readonly Worker[],
  ms: number,
  updates?: Updates,
): Promise<Window> {
  const end = await begin(cluster, workers, updates);
  await delay(ms);
  return end();
}

export function total(window: Window, what: keyof Used): number {
  return sum(window.workers.map((used) => used[what]));
}

/** Windows one after the other, as one. */
export function joined(windows: readonly Window[]): Window {
  const all = (what: "seconds" | "cpu" | "requests" | "updates"): number =>
    sum(windows.map((window) => window[what]));
  return {
    seconds: all("seconds"),
    cpu: all("cpu"),
    requests: all("requests"),
    updates: all("updates"),
    workers: windows[0]!.workers.map((_, at) => {
      const used = (what: keyof Used): number =>
        sum(windows.map(({ workers }) => workers[at]![what]));
      return {
        cpu: used("cpu"),
        bytes: used("bytes"),
        entries: used("entries"),
        opened: used("opened"),
        listed: used("listed"),
      };
    }),
  };
}
