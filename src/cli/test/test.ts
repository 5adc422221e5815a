import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { provideTool } from "../../tools/provide-tool.ts";
import { coverageText, withoutFile } from "./coverage.ts";
import { readFixtures } from "./fixtures.ts";
import { STAND_INS_FILE } from "./stand-ins.ts";
import { copyPolicies, writeStandIns } from "./workspace.ts";

/** `opa test` ends with this code where tests fail, or cover too little. */
const TESTS_FAILED = 2;

interface TestOptions {
  readonly fixtures?: string;
  readonly rootBucket?: string;
  readonly run?: string;
  readonly verbose?: true;
  readonly format: "pretty" | "json";
  readonly coverage?: true;
  readonly threshold?: string;
  readonly timeout?: string;
  readonly v0Compatible?: true;
}

/** `nats-opa-bridge test`: OPA's own test runner, with buckets from files. */
export function testCommand(): Command {
  return new Command("test")
    .description("run the tests of policies with opa, without NATS: buckets come from files")
    .argument("<paths...>", "files and directories with Rego, tests and data")
    .option(
      "--fixtures <folder>",
      "a file BUCKET.json or BUCKET.yaml for each bucket, with its keys and values (default: the folder fixtures in the first path, or here)",
    )
    .option("--root-bucket <bucket>", "the bucket that stands at the top of data")
    .option("-r, --run <regex>", "run only the tests whose name matches")
    .option("-v, --verbose", "name every test")
    .addOption(
      new Option("-f, --format <format>", "how results are written")
        .choices(["pretty", "json"])
        .default("pretty"),
    )
    .option("-c, --coverage", "say which lines the tests cover")
    .option("--threshold <percent>", "fail when they cover less; implies --coverage")
    .option("--timeout <duration>", "how long a test may take")
    .option("--v0-compatible", "take the policies for Rego of before OPA 1.0")
    .addHelpText(
      "after",
      "\nExample:\n  $ nats-opa-bridge test ./policies --coverage\n\nExit codes: 0 all pass; 2 some fail, as with opa test.\n",
    )
    .action(test);
}

async function test(paths: readonly string[], options: TestOptions): Promise<void> {
  const opa = await provideTool("opa");
  const least = options.threshold === undefined ? undefined : percentOf(options.threshold);
  const fixtures = await readFixtures(options.fixtures, paths, options.rootBucket);
  const folder = await mkdtemp(join(tmpdir(), "nats-opa-bridge-test-"));
  try {
    const flags = options.v0Compatible ? ["--v0-compatible"] : [];
    const copied = await copyPolicies(opa, paths, folder, fixtures.folder, flags);
    const added = await writeStandIns(folder, fixtures);
    const args = ["test", ...flags];
    if (options.run !== undefined) args.push("--run", options.run);
    if (options.timeout !== undefined) args.push("--timeout", options.timeout);
    const files = ["--", ...copied, ...added];
    const shown = [...args, "--format", options.format, ...(options.verbose ? ["-v"] : [])];
    const covers = options.coverage === true || least !== undefined;
    // With coverage as JSON there is one document, as in OPA: the results are not in it.
    const quiet = covers && options.format === "json";
    const results = await runOpa(opa, [...shown, ...files], folder, quiet);
    if (results.code !== 0) {
      process.stdout.write(quiet ? results.stdout : "");
      process.exitCode = results.code;
      return;
    }
    if (!covers) return;
    const { stdout } = await runOpa(opa, [...args, "--coverage", ...files], folder, true);
    const report = withoutFile(JSON.parse(stdout) as never, STAND_INS_FILE);
    const json = options.format === "json";
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : coverageText(report));
    if (least === undefined || report.coverage >= least) return;
    process.stderr.write(
      `Code coverage threshold not met: got ${report.coverage} instead of ${least}\n`,
    );
    process.exitCode = TESTS_FAILED;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function percentOf(text: string): number {
  const percent = Number(text);
  if (text.trim() !== "" && percent >= 0 && percent <= 100) return percent;
  throw new BridgeError(
    "CONFIG_INVALID",
    `--threshold is ${quote(text)}, not a number of percent; write 0 to 100.`,
  );
}

/** Runs opa; where its output is not taken, it goes to ours. */
async function runOpa(
  opa: string,
  args: readonly string[],
  cwd: string,
  taken: boolean,
): Promise<{ code: number; stdout: string }> {
  const child = spawn(opa, args, { cwd, stdio: ["ignore", taken ? "pipe" : "inherit", "inherit"] });
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code: code ?? 1, stdout };
  } catch (error) {
    throw new BridgeError(
      "TOOL_FAILED",
      `${quote(opa)} can't be started (${messageOf(error)}); set OPA_BIN to the path of opa.`,
      { cause: error },
    );
  }
}
