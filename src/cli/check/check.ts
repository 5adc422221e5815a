import { Command } from "commander";
import { Bridge } from "../../bridge.ts";
import { silentLogger } from "../../common/logger.ts";
import type { BridgeConfig } from "../../config/types.ts";
import { bucketsOf } from "../../nats/bucket-source-of.ts";
import { linkOf } from "../../nats-link.ts";
import { systemClock } from "../../watch/clock.ts";
import { waitingFor } from "../progress.ts";
import { collect, configOf, shown, type SourceOptions, withSource } from "../source.ts";
import { failedBy, type Finding } from "./finding.ts";
import { bucketsToCheck, checkBucket, checkConnection, checkWrites } from "./nats.ts";
import { checkBundles } from "./policy.ts";

interface CheckOptions extends SourceOptions {
  readonly bucket?: readonly string[];
  readonly json?: true;
}

/** `nats-opa-bridge check`: everything that `serve` needs, looked at one after the other. */
export function checkCommand(): Command {
  const command = new Command("check").description(
    "look whether everything is as the service needs it: configuration, bundle, NATS, permissions, buckets",
  );
  return withSource(command)
    .option(
      "--bucket <name>",
      "look at this bucket too; give it as often as needed (the root bucket, and those that buckets.allow names in full, are looked at anyway)",
      collect,
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Each bucket is followed to its end as the bridge does it, without its values. Nothing is written.

Examples:
  $ nats-opa-bridge check --config config.yaml
  $ nats-opa-bridge check --config config.yaml --bucket team-a --json
  $ nats-opa-bridge check --server nats://localhost:4222 --bundle bundle.tar.gz

Exit codes: 0 nothing is wrong (there may be warnings); 1 something is; 2 the arguments were refused.
`,
    )
    .action(check);
}

async function check(options: CheckOptions): Promise<void> {
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (!options.json) process.stdout.write(lineOf(finding));
  };
  const config = await checkConfig(options, tell);
  if (config !== undefined) await checkAll(config, options.bucket ?? [], tell);
  const failed = findings.filter(({ verdict }) => verdict === "failed").length;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ok: failed === 0, findings }, undefined, 2)}\n`);
  } else {
    const warnings = findings.filter(({ verdict }) => verdict === "warning").length;
    process.stdout.write(`${failed} failed, ${warnings} warnings\n`);
  }
  if (failed > 0) process.exitCode = 1;
}

async function checkConfig(
  options: CheckOptions,
  tell: (finding: Finding) => void,
): Promise<BridgeConfig | undefined> {
  const what = "configuration";
  const name = options.config ?? "";
  // Without either there is nothing to look at, which is not the configuration's fault.
  if (options.config === undefined) return configOf(options);
  try {
    const config = await configOf(options);
    for (const detail of config.warnings) tell({ what, name, verdict: "warning", detail });
    tell({ what, name, verdict: "ok", detail: "can be used" });
    return config;
  } catch (error) {
    tell(failedBy(what, name, error));
    return undefined;
  }
}

async function checkAll(
  config: BridgeConfig,
  asked: readonly string[],
  tell: (finding: Finding) => void,
): Promise<void> {
  const link = linkOf(config.nats, silentLogger);
  await using bridge = new Bridge(config, link, bucketsOf(link), systemClock, silentLogger);
  const connection = await waitingFor("connecting", checkConnection(link, config));
  tell(connection);
  const bundles = await waitingFor("loading bundles", checkBundles(bridge, link));
  for (const finding of bundles) tell(finding);
  for (const bucket of bucketsToCheck(config, asked)) {
    if (connection.verdict === "failed") {
      tell({ what: "bucket", name: bucket, verdict: "skipped", detail: "there is no connection" });
      continue;
    }
    tell(await waitingFor(`following ${shown(bucket)}`, checkBucket(link, config, bucket)));
    const writes = await checkWrites(link, config, bucket);
    if (writes !== undefined) tell(writes);
  }
}

function lineOf({ what, name, verdict, code, detail }: Finding): string {
  const subject = name === "" ? what : `${what} ${shown(name)}`;
  const lines = detail.split("\n").map((line) => shown(line));
  const text = `${code === undefined ? "" : `${code}: `}${lines.join("\n         ")}`;
  return `${verdict.padEnd(8)} ${subject}: ${text}\n`;
}
