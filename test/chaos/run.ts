import { setTimeout as delay } from "node:timers/promises";
import type { ChaosBucket } from "./bucket.ts";
import { differences } from "./compare.ts";
import { countConsumers } from "./consumers.ts";
import { faultNamed } from "./faults/registry.ts";
import { Endurance } from "./endurance.ts";
import { leftOver, resources, type Sample } from "./leaks.ts";
import { LANES, planOf } from "./plan.ts";
import {
  CONSUMERS_GONE_CLUSTER_MS,
  CONSUMERS_GONE_MS,
  CONVERGENCE_MS,
  ELECTION_MS,
} from "./promises.ts";
import { Random } from "./random.ts";
import { makeWorld, type World } from "./world.ts";

export interface RunSettings {
  /** The names of the faults to choose from. */
  readonly faults: readonly string[];
  /** Whether gaps are lost on purpose. */
  readonly withoutRepair: boolean;
  /** How many faults the same bridges live through in one run; 0: a few. */
  readonly faultsInOne: number;
}

/** What came of one run. */
export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  readonly ms: number;
  /** How long after the last fault everything was equal, in milliseconds. */
  readonly convergedMs: number;
  readonly faults: Record<string, number>;
  readonly decisions: number;
  readonly refused: number;
  readonly writes: number;
  readonly divergences: number;
  readonly staleAnswers: number;
  readonly tornAnswers: number;
  readonly leaks: number;
  /** Of memory, while the bridges were alive; only of a run with many faults. */
  readonly samples: readonly Sample[];
  /** What happened and what was found, in words. */
  readonly findings: readonly string[];
}

/** A run that is over, except that its servers are looked at once more for consumers left behind. */
export interface EndedRun {
  readonly result: RunResult;
  readonly consumersLeft: Promise<number>;
}

const LISTED_FINDINGS = 10;

/** Makes one run. */
export async function runOnce(seed: number, settings: RunSettings): Promise<EndedRun> {
  const started = performance.now();
  const plan = planOf(seed, new Set(settings.faults), settings.faultsInOne);
  const random = new Random(seed + 1);
  const findings: string[] = [];
  const timeline: string[] = [];
  const since = (): number => Math.round(performance.now() - started);
  const report = (line: string): void => {
    if (findings.length < LISTED_FINDINGS) findings.push(`${since()} ms ${line}`);
  };
  const before = resources();
  const world = await makeWorld(plan, report);
  try {
    await world.begin(random, settings.withoutRepair);
    for (const subject of world.subjects) subject.startAsking(world, random.seed());
    const writers = new AbortController();
    const writing = world.buckets.map((bucket) =>
      keepWriting(bucket, new Random(random.seed()), writers.signal),
    );
    const endurance = settings.faultsInOne > 0 ? new Endurance(world) : undefined;
    await endurance?.begin();
    const faults = await happen(world, since, timeline, endurance);
    writers.abort();
    const writes = (await Promise.all(writing)).reduce((sum, count) => sum + count, 0);

    const quiet = performance.now();
    const differing = await untilEqual(world);
    const convergedMs = Math.round(performance.now() - quiet);
    for (const difference of differing) report(`diverged: ${difference}`);
    const grown = (await endurance?.leaks()) ?? [];
    const tally = { decisions: 0, refused: 0, stale: 0, torn: 0 };
    for (const subject of world.subjects) {
      await subject.close();
      for (const [name, count] of Object.entries(subject.tally)) {
        tally[name as keyof typeof tally] += count as number;
      }
    }
    await world.disconnect();
    const left = [...grown, ...(await leftOver(before))];
    for (const leak of left) report(`leaked: ${leak}`);
    const result: RunResult = {
      seed,
      nodes: plan.nodes,
      ms: since(),
      convergedMs,
      faults,
      decisions: tally.decisions,
      refused: tally.refused,
      writes,
      divergences: differing.length,
      staleAnswers: tally.stale,
      tornAnswers: tally.torn,
      leaks: left.length,
      samples: endurance?.samples ?? [],
      findings: [
        ...(endurance === undefined ? timeline : timeline.slice(-LISTED_FINDINGS)),
        ...findings,
      ],
    };
    return { result, consumersLeft: consumersLeft(world) };
  } catch (error) {
    await world.closeSubjects();
    await world.disconnect();
    await world.stopServers();
    throw error;
  }
}

/** All faults, each lane in its order; answers how often each has happened. */
async function happen(
  world: World,
  since: () => number,
  timeline: string[],
  endurance: Endurance | undefined,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const lanes = LANES.map(async (lane) => {
    for (const { fault, afterMs, seed } of world.plan.steps[lane]) {
      await delay(afterMs);
      const began = since();
      await faultNamed(fault).run(world, new Random(seed));
      timeline.push(`${began} to ${since()} ms ${fault}`);
      counts[fault] = (counts[fault] ?? 0) + 1;
      endurance?.happened();
    }
  });
  await Promise.all(lanes);
  return counts;
}

/** Writes to a bucket until the signal; answers how many writes NATS has acknowledged. */
async function keepWriting(
  bucket: ChaosBucket,
  random: Random,
  signal: AbortSignal,
): Promise<number> {
  let written = 0;
  while (!signal.aborted) {
    await delay(random.int(2, 25));
    if (await bucket.lock.runExclusive(() => bucket.write(random))) written++;
  }
  return written;
}

/** Waits until every bridge has what NATS has; answers what still differs after all. */
async function untilEqual(world: World): Promise<string[]> {
  const allowedMs = CONVERGENCE_MS + (world.plan.nodes === 3 ? ELECTION_MS : 0);
  const deadline = performance.now() + allowedMs;
  for (;;) {
    const differing: string[] = [];
    for (const subject of world.subjects) {
      for (const bucket of world.buckets) {
        const found = await world.insist(() => differences(subject, bucket));
        if (found.length > 0) {
          differing.push(`${subject.name} ${bucket.name}: ${found.slice(0, 5).join("; ")}`);
        }
      }
    }
    if (differing.length === 0 || performance.now() > deadline) return differing;
    await delay(50);
  }
}

/** How many consumers are there when the server should have forgotten those of the bridges; ends the servers. */
async function consumersLeft(world: World): Promise<number> {
  const goneMs = world.plan.nodes === 1 ? CONSUMERS_GONE_MS : CONSUMERS_GONE_CLUSTER_MS;
  const deadline = performance.now() + goneMs;
  try {
    let count: number;
    do {
      await delay(2_000);
      count = await countConsumers(world);
    } while (count > 0 && performance.now() < deadline);
    return count;
  } finally {
    await world.stopServers();
  }
}
