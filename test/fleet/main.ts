import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { Costs } from "./cost-table.ts";
import { measureCosts } from "./costs.ts";
import { compare, errorOf, TOLERANCE } from "./prediction.ts";
import { smallRun } from "./small-run.ts";
import { comparisonTable, costTable, fleetTables } from "./tables.ts";

const USAGE = `usage: npm run fleet -- [--tables] [--costs FILE] [--json]

Measures what bridges and NATS servers spend on each thing, predicts a small fleet from that,
runs the small fleet, and fails when a prediction is off by more than ${TOLERANCE * 100} %.

  --tables       also what the costs mean for larger fleets, as Markdown
  --costs FILE   costs that were measured before are read from there; where there is no such file,
                 they are measured and written to it
  --json         the last line is one JSON object
`;

const { values } = parseArgs({
  options: {
    tables: { type: "boolean", default: false },
    costs: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stderr.write(USAGE);
  process.exit(0);
}

// The compiled copy of the tools would not find what is installed.
const tools = fileURLToPath(new URL("../../../../dist/tools/main.js", import.meta.url));
const { stdout } = await promisify(execFile)(process.execPath, [tools, "nats-server"]);
process.env["NATS_SERVER_BIN"] = stdout.trim();

const say = (what: string): void => void process.stderr.write(`${what}\n`);
const costs = known(values.costs) ?? (await measureCosts(say));
if (values.costs !== undefined) writeFileSync(values.costs, JSON.stringify(costs, undefined, 2));
const run = await smallRun(say);
const comparisons = compare(costs, run, availableParallelism());
const worst = Math.max(...comparisons.map(errorOf));

process.stdout.write(`${costTable(costs)}\n\n${comparisonTable(comparisons)}\n`);
if (values.tables) process.stdout.write(`\n${fleetTables(costs)}\n`);
if (values.json) {
  const fleet = `${run.layout.bridges.length} bridges, ${run.layout.buckets.length} buckets`;
  process.stdout.write(
    `${JSON.stringify({ fleet, worst_error: Number(worst.toFixed(3)), costs, comparisons })}\n`,
  );
}
process.exitCode = worst > TOLERANCE ? 1 : 0;

function known(file: string | undefined): Costs | undefined {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Costs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
