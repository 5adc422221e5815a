import { COUNTED_S, type Costs, type ServerCosts } from "./cost-table.ts";
import { sum } from "./fit.ts";
import { auditsWithin, steadyLoad } from "./model.ts";
import { SMALL, type Seen, type SmallRun } from "./small-run.ts";
import { simulateLoss, type StormResult } from "./storm.ts";

/** How far a prediction may be from what was measured, as a share of that. */
export const TOLERANCE = 0.25;
/** What chance decides is averaged over so many simulations of the same placement. */
const SEEDS = 50;
const PAIRS = SMALL.bridges * SMALL.buckets;

export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly predicted: number;
  readonly measured: number;
}

export function errorOf({ predicted, measured }: Comparison): number {
  return Math.abs(predicted / measured - 1);
}

/** The small run as the model has it, beside what was seen. Of that it is told only what chance has decided. */
export function compare(costs: Costs, run: SmallRun, cores: number): Comparison[] {
  const steady = background(costs, costs.healthy, run.steady);
  const storm = expected(costs, run, cores);
  const still = background(costs, costs.wounded, run.loss, storm.away);
  const { loss } = run;
  return [
    ...rows("steady", steady, run.steady),
    { what: "loss: streams opened", unit: "", predicted: storm.opened, measured: loss.opened },
    {
      what: "loss: buckets loaded again",
      unit: "",
      predicted: storm.reloads,
      measured: loss.reloads,
    },
    ...rows(
      "loss",
      {
        bytes: still.bytes + storm.bytes,
        // Who loads again begins anew with its audits.
        requests: still.requests * (1 - storm.reloads / PAIRS) + storm.requests + storm.audits,
        serverCpu: still.serverCpu + storm.serverCpu,
        bridgeCpu: still.bridgeCpu + storm.bridgeCpu,
      },
      loss,
    ),
    {
      what: "loss: half are current",
      unit: "s",
      predicted: storm.half,
      measured: at(loss.times, 0.5),
    },
    { what: "loss: all are current", unit: "s", predicted: storm.all, measured: at(loss.times, 1) },
  ];
}

/** Those that are not counted with the load, so many seconds after it. */
function auditsLater(seconds: number): number {
  return Math.max(0, auditsWithin(seconds) - auditsWithin(COUNTED_S));
}

/** By when so large a part of them is over. */
export function at(times: readonly number[], share: number): number {
  return times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? 0;
}

type Sums = Pick<Seen, "bytes" | "requests" | "serverCpu" | "bridgeCpu">;

/**
 * What the fleet asks all the time, with the updates that there were. `away`: for how many seconds pairs were not
 * current, all pairs together; what is updated meanwhile comes with the load.
 */
function background(
  costs: Costs,
  servers: ServerCosts,
  { seconds, updates, sinceLoad }: Seen,
  away = 0,
): Sums {
  const rate = updates / seconds / SMALL.buckets;
  const load = steadyLoad(costs, { ...SMALL, updates: rate }, servers);
  const missed = away * rate;
  return {
    bytes: load.bytes * seconds - missed * costs.wire.update,
    requests: PAIRS * (auditsWithin(sinceLoad + seconds) - auditsWithin(sinceLoad)),
    serverCpu: load.serverCpu * seconds - missed * servers.delivery,
    bridgeCpu: load.bridgeCpu * seconds - missed * costs.bridge.update,
  };
}

function rows(name: string, predicted: Sums, measured: Sums): Comparison[] {
  return [
    {
      what: `${name}: received by bridges`,
      unit: "B",
      predicted: predicted.bytes,
      measured: measured.bytes,
    },
    {
      what: `${name}: requests`,
      unit: "",
      predicted: predicted.requests,
      measured: measured.requests,
    },
    {
      what: `${name}: servers' processor time`,
      unit: "s",
      predicted: predicted.serverCpu,
      measured: measured.serverCpu,
    },
    {
      what: `${name}: bridges' processor time`,
      unit: "s",
      predicted: predicted.bridgeCpu,
      measured: measured.bridgeCpu,
    },
  ];
}

function expected(
  costs: Costs,
  run: SmallRun,
  cores: number,
): Omit<StormResult, "times"> & { half: number; all: number; away: number; audits: number } {
  const storms = Array.from({ length: SEEDS }, (_, seed) =>
    simulateLoss(costs, run.layout, {
      lost: run.lost,
      seed,
      elections: run.elections,
      metaElection: run.metaElection,
      maxConcurrentLoads: 4,
      serverCores: cores,
      sharedCores: cores,
      linkBytes: Infinity,
      roundTrip: 0.002,
    }),
  );
  const mean = (value: (storm: StormResult) => number): number => sum(storms.map(value)) / SEEDS;
  return {
    reloads: mean(({ reloads }) => reloads),
    opened: mean(({ opened }) => opened),
    requests: mean(({ requests }) => requests),
    bytes: mean(({ bytes }) => bytes),
    serverCpu: mean(({ serverCpu }) => serverCpu),
    bridgeCpu: mean(({ bridgeCpu }) => bridgeCpu),
    half: mean(({ times }) => at(times, 0.5)),
    all: mean(({ times }) => at(times, 1)),
    away: mean(({ times }) => sum(times)),
    audits: mean(({ times }) => sum(times.map((time) => auditsLater(run.loss.seconds - time)))),
  };
}
