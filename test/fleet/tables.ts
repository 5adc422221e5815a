import { Random } from "../chaos/random.ts";
import type { Costs } from "./cost-table.ts";
import { layOut } from "./fleet-of.ts";
import { bucketsAt, capacityFor, keysIn, steadyLoad, updatesAt } from "./model.ts";
import { at, type Comparison, errorOf } from "./prediction.ts";
import { simulateLoss, type StormOptions, type StormResult } from "./storm.ts";

const LINK_BYTES = 1.25e9;
const SERVER_CORES = 4;
const ROUND_TRIP_S = 0.001;
const NODES = 3;
const SEED = 1;
const LARGE_FLEET = { buckets: 20, keys: 2_000, updates: 1 };

export function costTable({ healthy, wounded, bridge, wire, peak, ...costs }: Costs): string {
  return markdown(
    ["Cost", "Servers", "Servers, a node lost", "Bridge", "Wire to the bridge"],
    [
      ["a second, nothing there", ms(healthy.idle), ms(wounded.idle), ms(bridge.idle), ""],
      ["a stream, a second", us(healthy.stream), us(wounded.stream), "", ""],
      [
        "a quiet bucket of a bridge, a second",
        us(healthy.consumer),
        us(wounded.consumer),
        us(bridge.bucket),
        bytes(wire.heartbeat),
      ],
      ["an update stored", us(healthy.update), us(wounded.update), "", ""],
      [
        "an update for a bridge",
        us(healthy.delivery),
        us(wounded.delivery),
        us(bridge.update),
        bytes(wire.update),
      ],
      ["the same, 3,000 in a second", "", "", us(peak.update), ""],
      [
        "a bucket loaded again",
        us(healthy.open),
        us(wounded.open),
        us(bridge.open),
        bytes(wire.open),
      ],
      ["a key of it", us(healthy.key), us(wounded.key), us(bridge.key), bytes(wire.key)],
      ["the same, of 100,000", "", "", us(peak.key), ""],
      ["a question about a bucket", us(costs.request), "", "", ""],
      ["a connection", us(costs.connection), "", "", ""],
    ],
  );
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  return markdown(
    ["Quantity", "Predicted", "Measured", "Predicted / measured"],
    comparisons.map((row) => [
      row.what,
      amount(row.predicted, row.unit),
      amount(row.measured, row.unit),
      `${(row.predicted / row.measured).toFixed(2)}${errorOf(row) > 0.25 ? " (!)" : ""}`,
    ]),
  );
}

/** One bridge, and fleets of many. */
export function fleetTables(costs: Costs): string {
  const one = markdown(
    ["Keys", "Resident set", "Load on one core", "Received"],
    [1_000, 10_000, 100_000, 1_000_000].map((keys) => {
      const capacity = capacityFor(costs, keys, 1);
      return [
        whole(keys),
        bytes(capacity.memoryBytes),
        `${capacity.loadSeconds.toFixed(2)} s`,
        bytes(capacity.loadBytes),
      ];
    }),
  );
  const limits = markdown(
    ["Limit of one bridge", ""],
    [
      ["keys in 1 GiB", whole(keysIn(costs, 2 ** 30))],
      ["keys in 4 GiB", whole(keysIn(costs, 2 ** 32))],
      ["updates in a second, half of a core, 100 buckets", whole(updatesAt(costs, 0.5, 100))],
      ["quiet buckets, a tenth of a core", whole(bucketsAt(costs, 0.1))],
    ],
  );
  const sizes = [10, 100, 1_000];
  const steady = markdown(
    [
      "Bridges",
      "Consumers",
      "Deliveries/s",
      "Requests/s",
      "To bridges",
      "Servers' cores",
      "Bridges' cores, each",
    ],
    sizes.map((bridges) => {
      const load = steadyLoad(costs, { bridges, ...LARGE_FLEET });
      return [
        whole(bridges),
        whole(load.consumers),
        whole(load.deliveries),
        whole(load.requests),
        `${bytes(load.bytes)}/s`,
        load.serverCpu.toFixed(2),
        (load.bridgeCpu / bridges).toFixed(3),
      ];
    }),
  );
  const loss = markdown(
    ["Bridges", ...STORM_HEAD],
    sizes.map((bridges) => [whole(bridges), ...stormRow(costs, bridges)]),
  );
  const variants = markdown(
    ["1,000 bridges", ...STORM_HEAD],
    VARIANTS.map(([name, bridges, variant]) => [name, ...stormRow(costs, bridges, variant)]),
  );
  return [one, limits, steady, loss, variants].join("\n\n");
}

const STORM_HEAD = [
  "Loaded again",
  "Streams opened",
  "Requests",
  "To bridges",
  "Servers",
  "Each bridge",
  "Half current",
  "99 %",
  "All",
];

function stormRow(costs: Costs, bridges: number, variant?: Variant): string[] {
  const storm = stormOf(costs, bridges, variant);
  return [
    whole(storm.reloads),
    whole(storm.opened),
    whole(storm.requests),
    bytes(storm.bytes),
    `${storm.serverCpu.toFixed(1)} s`,
    `${(storm.bridgeCpu / bridges).toFixed(2)} s`,
    ...[0.5, 0.99, 1].map((share) => `${at(storm.times, share).toFixed(1)} s`),
  ];
}

function stormOf(costs: Costs, bridges: number, variant: Variant = {}): StormResult {
  const { buckets = LARGE_FLEET.buckets, leaves = false, ...options } = variant;
  const layout = layOut({ ...LARGE_FLEET, bridges, buckets }, NODES, SEED);
  const random = new Random(SEED);
  const { elections } = costs;
  const kept = layout.bridges.map(({ consumers }) => ({ node: 0, consumers }));
  return simulateLoss(
    costs,
    { ...layout, meta: 0, ...(leaves && { bridges: kept }) },
    {
      lost: 1,
      seed: SEED,
      elections: layout.buckets.map(() => (elections.length > 0 ? random.pick(elections) : 0)),
      metaElection: 0,
      maxConcurrentLoads: 4,
      serverCores: SERVER_CORES,
      linkBytes: LINK_BYTES,
      roundTrip: ROUND_TRIP_S,
      ...options,
    },
  );
}

interface Variant extends Partial<StormOptions> {
  readonly buckets?: number;
  /** Bridges are connected to leaf nodes, which stay. */
  readonly leaves?: boolean;
}

const VARIANTS: readonly (readonly [string, number, Variant])[] = [
  ["as above", 1_000, {}],
  ["`max_concurrent_loads: 1`", 1_000, { maxConcurrentLoads: 1 }],
  ["`max_concurrent_loads: 16`", 1_000, { maxConcurrentLoads: 16 }],
  ["nobody waits by chance", 1_000, { jitter: false }],
  ["links of 1 Gbit/s", 1_000, { linkBytes: 1.25e8 }],
  ["JetStream's leader is lost", 1_000, { lost: 0, metaElection: 5 }],
  ["bridges on leaf nodes, which stay", 1_000, { leaves: true }],
  ["5 buckets for each bridge in place of 20", 1_000, { buckets: 5 }],
  ["one of four clusters, with 250 bridges", 250, {}],
];

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function amount(value: number, unit: string): string {
  if (unit === "B") return bytes(value);
  return unit === "s" ? `${value.toFixed(2)} s` : whole(value);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function ms(seconds: number): string {
  return `${(seconds * 1e3).toFixed(1)} ms`;
}

function us(seconds: number): string {
  return `${(seconds * 1e6).toFixed(1)} µs`;
}

function bytes(value: number): string {
  const step = [1e9, 1e6, 1e3].findIndex((size) => value >= size);
  if (step === -1) return `${Math.round(value)} B`;
  return `${(value / 1e3 ** (3 - step)).toPrecision(3)} ${["GB", "MB", "kB"][step]}`;
}
