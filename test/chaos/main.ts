import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { faultNamed, faults } from "./faults/registry.ts";
import type { RunSettings } from "./run.ts";
import { Summary } from "./summary.ts";
import { startWorker } from "./worker-process.ts";

const USAGE = `usage: npm run chaos -- [--runs N] [--seed S] [--random R] [--parallel P] [--faults a,b]
                        [--faults-in-one N] [--without-repair] [--json]

  --runs N       how many runs; default 1
  --seed S       the first run's seed, the others' follow it; default a random one
  --random R     how many further runs with random seeds; default 0
  --parallel P   runs at the same time; default the number of processors
  --faults a,b   only these faults
  --faults-in-one N
                 each run is of N faults that the same bridges live through, in one process: whether
                 anything grows with every fault
  --without-repair
                 lose what comes after a gap, as an ordinary client would: the exit code says
                 whether the harness has found that
  --json         the last line is one JSON object
`;

const randomSeed = (): number => randomInt(1_000_000_000);

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1" },
    seed: { type: "string", default: String(randomSeed()) },
    random: { type: "string", default: "0" },
    parallel: { type: "string", default: String(availableParallelism()) },
    faults: { type: "string" },
    "faults-in-one": { type: "string", default: "0" },
    "without-repair": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const [runs, first, random, parallel, faultsInOne] = [
  Number(values.runs),
  Number(values.seed),
  Number(values.random),
  Number(values.parallel),
  Number(values["faults-in-one"]),
];
const possible = runs > 0 && first >= 0 && random >= 0 && parallel > 0 && faultsInOne >= 0;
if (values.help || !possible) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

// Whoever reads the output has had enough, as `head` does. Workers and servers end with this process.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(1);
});

// The workers' own copy of the tools is compiled to where it would not find what is installed.
const tools = fileURLToPath(new URL("../../../../dist/tools/main.js", import.meta.url));
const { stdout } = await promisify(execFile)(process.execPath, [tools, "nats-server"]);
process.env["NATS_SERVER_BIN"] = stdout.trim();

const settings: RunSettings = {
  faults: values.faults?.split(",") ?? faults.map(({ name }) => name),
  withoutRepair: values["without-repair"],
  faultsInOne,
};
for (const name of settings.faults) faultNamed(name);
const seeds = [
  ...Array.from({ length: runs }, (_, index) => first + index),
  ...Array.from({ length: random }, randomSeed),
];
const summary = new Summary(settings.withoutRepair, values.json ? process.stderr : process.stdout);
summary.begin(seeds);
const workers = Array.from({ length: Math.min(parallel, seeds.length) }, async () => {
  const worker = startWorker((report) => summary.note(report));
  for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
    if (!(await worker.run({ seed, ...settings }))) break;
  }
  summary.ended(await worker.end());
});
await Promise.all(workers);
const figures = summary.end();
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
process.exitCode = summary.asExpected ? 0 : 1;
