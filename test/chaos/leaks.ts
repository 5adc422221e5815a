import { setTimeout as delay } from "node:timers/promises";
import { getHeapSpaceStatistics } from "node:v8";

/** Servers of earlier runs are still there for a while; they are the harness's own. */
const NOT_OURS = new Set(["ProcessWrap", "PipeWrap", "FSReqPromise", "FSReqCallback"]);
const SETTLING_MS = 5_000;

/** How many there are of each thing that keeps a process alive: sockets, timers, listeners. */
export type Resources = ReadonlyMap<string, number>;

export function resources(): Resources {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) {
    if (!NOT_OURS.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  for (const event of process.eventNames()) {
    counts.set(`listener ${String(event)}`, process.listenerCount(event));
  }
  return counts;
}

/** What there is more of than before; things that are being closed are given some time. */
export async function leftOver(before: Resources): Promise<string[]> {
  const deadline = performance.now() + SETTLING_MS;
  for (;;) {
    const left: string[] = [];
    for (const [type, count] of resources()) {
      const more = count - (before.get(type) ?? 0);
      if (more > 0) left.push(`${more} × ${type}`);
    }
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(20);
  }
}

/** What was in use after so many faults. */
export interface Sample {
  readonly faults: number;
  /** On the heap and in buffers, apart from compiled code. */
  readonly bytes: number;
  /** Memories of WebAssembly, of policies. */
  readonly memories: number;
}

/** V8 counts each memory of WebAssembly with the whole address space that is kept for it, whatever is in use of it. */
const MEMORY_BYTES = 2 ** 32;

/** What a collection can't free now. */
export function sample(faults: number): Sample {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const memories = Math.floor(external / MEMORY_BYTES);
  return { faults, bytes: heapUsed - codeBytes() + external - memories * MEMORY_BYTES, memories };
}

/** Each bridge has V8 compile some more of what all of them share. */
function codeBytes(): number {
  const code = getHeapSpaceStatistics().filter(({ space_name }) => space_name.startsWith("code_"));
  return code.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}

const LEAST_FAULTS = 100;
/** Per fault. Parts of bridges, timers, sockets and listeners are counted one by one; this is for all else. */
const ALLOWED_BYTES = 4_096;
/** Those of policies that ended just now. */
const ALLOWED_MEMORIES = 4;

export interface Growth {
  /** Over how many faults; 0: over too few to tell. */
  readonly faults: number;
  readonly bytesPerFault: number;
  readonly memories: number;
}

/** How memory grows with every fault, between the second and the last quarter of the faults. */
export function growth(samples: readonly Sample[]): Growth {
  // The first faults fill caches and compile code.
  const early = (samples.at(-1)?.faults ?? 0) / 4;
  const steady = samples.filter((taken) => taken.faults >= early);
  const [first, last] = [steady[0], steady.at(-1)];
  const faults = last === undefined ? 0 : last.faults - first!.faults;
  if (faults < LEAST_FAULTS) return { faults: 0, bytesPerFault: 0, memories: 0 };
  const half = Math.floor(steady.length / 2);
  // What is there for a moment comes and goes; what stays is in all samples.
  const grown = (of: (sample: Sample) => number): number =>
    Math.min(...steady.slice(half).map(of)) - Math.min(...steady.slice(0, half).map(of));
  const bytesPerFault = Math.round(grown(({ bytes }) => bytes) / (faults / 2));
  const memories = grown((sample) => sample.memories);
  return { faults, bytesPerFault, memories };
}

/** The growth of processes that did the same kind of work: in the middle of theirs. */
export function commonGrowth(processes: readonly Growth[]): Omit<Growth, "faults"> {
  const told = processes.filter(({ faults }) => faults > 0);
  const middle = (of: (growth: Growth) => number): number =>
    told.map(of).toSorted((a, b) => a - b)[Math.floor(told.length / 2)] ?? 0;
  return { bytesPerFault: middle((g) => g.bytesPerFault), memories: middle((g) => g.memories) };
}

/** What leaks does so in every process; what V8 keeps for itself varies by a megabyte from one to another. */
export function isLeak({ bytesPerFault, memories }: Omit<Growth, "faults">): boolean {
  return bytesPerFault > ALLOWED_BYTES || memories > ALLOWED_MEMORIES;
}
