import { Command, CommanderError } from "commander";
import { packageVersion } from "../common/package-version.ts";
import { type ErrorCode, isBridgeError, messageOf } from "../errors.ts";
import { buildCommand } from "./build.ts";
import { checkCommand } from "./check/check.ts";
import { demoCommand } from "./demo/demo.ts";
import { evalCommand } from "./eval.ts";
import { replayCommand } from "./replay/replay.ts";
import { serveCommand } from "./serve.ts";
import { testCommand } from "./test/test.ts";
import { watchCommand } from "./watch.ts";

/** Exit codes: 0 done, 1 failed while running, 2 refused before anything was started. */
const FAILED = 1;
const REFUSED = 2;

const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "CONFIG_INVALID",
  "CONFIG_UNREADABLE",
  "NATS_CREDENTIALS",
  "BUNDLE_UNREADABLE",
  "BUNDLE_INVALID",
  "POLICY_ABI",
  "POLICY_BUILTIN_MISSING",
  "INPUT_INVALID",
  "TOOL_MISSING",
]);

// Whoever reads the output has had enough, as `head` does. Commands with something to end listen themselves.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (process.stdout.listenerCount("error") === 1) process.exit();
});

const program = new Command("nats-opa-bridge")
  .description("Authorization decisions from OPA policies over live NATS KV buckets.")
  .version(packageVersion)
  .addHelpText(
    "after",
    `
Examples:
  $ nats-opa-bridge demo
  $ nats-opa-bridge build ./policies -e authz/allow -o policy/bundle.tar.gz
  $ nats-opa-bridge check --config config.yaml
  $ nats-opa-bridge serve --config config.yaml
  $ nats-opa-bridge eval --help

Exit codes: 0 done; 1 failed; 2 refused before anything was started, because of the arguments, the configuration, the
bundle or the input. The help of each command has more.
`,
  )
  .addCommand(serveCommand())
  .addCommand(demoCommand())
  .addCommand(buildCommand())
  .addCommand(testCommand())
  .addCommand(checkCommand())
  .addCommand(evalCommand())
  .addCommand(replayCommand())
  .addCommand(watchCommand());

// Left to itself, commander ends the process with code 1 for what is a refusal here.
for (const command of [program, ...program.commands]) command.exitOverride();
for (const command of program.commands) {
  command.showHelpAfterError(`See: nats-opa-bridge ${command.name()} --help`);
}
program.showHelpAfterError("See: nats-opa-bridge --help");

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

/** Says what went wrong, unless commander has done so. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : REFUSED;
  if (isBridgeError(error)) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return REFUSALS.has(error.code) ? REFUSED : FAILED;
  }
  // Errors that were raised on purpose say what to do; for others the place helps whoever reports them.
  const place = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`${place ?? messageOf(error)}\n`);
  return FAILED;
}
