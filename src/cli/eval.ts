import { Command } from "commander";
import { createBridge } from "../bridge.ts";
import { type DecisionFacts, noFacts } from "../policy/decision-facts.ts";
import { indentJson } from "../server/pretty.ts";
import { noteLine, waitingFor } from "./progress.ts";
import {
  collect,
  configWithPolicy,
  readJson,
  shown,
  type SourceOptions,
  terminalLogger,
  withSource,
} from "./source.ts";

interface EvalOptions extends SourceOptions {
  readonly input?: string;
  readonly bucket?: readonly string[];
  readonly provenance?: true;
  readonly pretty?: true;
  readonly strictBuiltinErrors?: true;
  readonly fail?: true;
}

/** `nats-opa-bridge eval`: one decision, without a service. */
export function evalCommand(): Command {
  const command = new Command("eval")
    .description("make one decision from the buckets of a NATS server, and print it as JSON")
    .argument("<path>", "the decision, such as authz/allow");
  return withSource(command)
    .option("-i, --input <file>", "the input, as JSON; - for standard input")
    .option(
      "--bucket <name>",
      "have this bucket watched before the decision is asked for; give it as often as needed",
      collect,
    )
    .option("--provenance", "tell the revisions of the buckets and bundles that the decision used")
    .option("--pretty", "indent what is printed")
    .option(
      "--strict-builtin-errors",
      "fail where a builtin fails, instead of going on as undefined",
    )
    .option("--fail", "end with code 1 where the decision is undefined")
    .addHelpText(
      "after",
      `
A policy that asks nats.kv.watch_bucket hears false for a bucket that is not watched yet; --bucket has it watched
first. Buckets that it reads with nats.kv.get_data are waited for.

Examples:
  $ nats-opa-bridge eval authz/allow --config config.yaml --input input.json
  $ echo '{"user": "alice"}' | nats-opa-bridge eval authz/allow -s nats://localhost:4222 -b bundle.tar.gz -i -
  $ nats-opa-bridge eval nats/kv/team-a -c config.yaml --bucket team-a --pretty
  $ nats-opa-bridge eval authz/allow -c config.yaml -i input.json --fail --provenance

Exit codes: 0 the decision was made; 1 it failed, or is undefined and --fail is given; 2 the arguments, the
configuration or the bundle were refused.
`,
    )
    .action(evaluate);
}

async function evaluate(path: string, options: EvalOptions): Promise<void> {
  const config = await configWithPolicy(options);
  const input = options.input === undefined ? undefined : await readJson(options.input);
  const started = createBridge(config, { logger: terminalLogger });
  await using bridge = await waitingFor("connecting, and loading what is configured", started);
  for (const bucket of options.bucket ?? []) {
    await waitingFor(`loading ${shown(bucket)}`, bridge.manager.getOrCreateWatcher(bucket));
  }
  const facts = options.provenance ? noFacts() : undefined;
  const strictBuiltinErrors = options.strictBuiltinErrors === true;
  const decided = bridge.decideText(path, input, { strictBuiltinErrors, facts });
  const result = await waitingFor("deciding", decided);
  const fields = [
    ...(result === undefined ? [] : [`"result":${result}`]),
    ...(facts === undefined ? [] : [`"provenance":${provenanceOf(facts)}`]),
  ];
  const text = `{${fields.join(",")}}`;
  process.stdout.write(`${options.pretty ? indentJson(text) : text}\n`);
  if (result !== undefined) return;
  const hint = notDecided(path, bridge.engine.policy?.entrypoints ?? []);
  if (hint !== undefined) noteLine(hint);
  if (options.fail) process.exitCode = 1;
}

/** What to know where nothing was found at a path that the policy was not compiled for; it may be mistyped. */
function notDecided(path: string, entrypoints: readonly string[]): string | undefined {
  const asked = `${path.replaceAll(/^\/+|\/+$/g, "")}/`;
  if (entrypoints.some((entrypoint) => asked.startsWith(`${entrypoint}/`))) return undefined;
  const known = entrypoints.length === 0 ? "none" : entrypoints.join(", ");
  return `there is no decision and no data at ${shown(path)}; the decisions that the policy was compiled for: ${known}`;
}

/** In the form of the service's answers. */
function provenanceOf({ bundles, revisions }: DecisionFacts): string {
  return JSON.stringify({
    bundles: Object.fromEntries([...bundles].map(([name, revision]) => [name, { revision }])),
    buckets: Object.fromEntries(revisions),
  });
}
