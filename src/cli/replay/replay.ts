import { Command } from "commander";
import { silentLogger } from "../../common/logger.ts";
import { linkOf } from "../../nats-link.ts";
import { progressOn } from "../progress.ts";
import { configWithPolicy, readInput, shown, type SourceOptions, withSource } from "../source.ts";
import { eventOf } from "./event-line.ts";
import { type Replayed, Replayer } from "./replayer.ts";

interface ReplayOptions extends SourceOptions {
  readonly json?: true;
}

const DIFFERS = 1;
const UNKNOWN = 3;
/** Of a value, on one line. */
const SHOWN_LENGTH = 200;

/** `nats-opa-bridge replay`: decisions of the log, made again with the buckets as they were. */
export function replayCommand(): Command {
  const command = new Command("replay")
    .description(
      "make decisions of the decision log again, with the buckets as they were then, and compare",
    )
    .argument(
      "[file]",
      "events of the decision log, one JSON object a line; - for standard input",
      "-",
    );
  return withSource(command)
    .option("--json", "print one JSON object for each event")
    .addHelpText(
      "after",
      `
Events tell the revision of each bucket that the decision used, and the history that NATS keeps (nats kv edit
--history) tells what was there. Where it does not any more, that is said. Keys that have expired since, or were
purged with their markers, leave no trace. A policy that looks at the clock, at random numbers or at another host may
decide differently each time.

Examples:
  $ nats-opa-bridge replay decisions.jsonl --config config.yaml
  $ tail -n 1 decisions.jsonl | nats-opa-bridge replay -s nats://localhost:4222 -b bundle.tar.gz
  $ nats-opa-bridge replay decisions.jsonl -c config.yaml -b new-policy.tar.gz --json

Exit codes: 0 every decision is the same; 1 one differs, or the command failed; 2 the arguments, the configuration, the
bundle or an event were refused; 3 none differs, but of some it can't be told.
`,
    )
    .action(replay);
}

async function replay(file: string, options: ReplayOptions): Promise<void> {
  const config = await configWithPolicy(options);
  const lines = (await readInput(file)).split("\n");
  const events = lines.flatMap((line, index) =>
    line.trim() === "" ? [] : [eventOf(line, index + 1)],
  );
  const progress = progressOn(process.stderr);
  const link = linkOf(config.nats, silentLogger);
  const counts = { same: 0, differs: 0, unknown: 0 };
  try {
    await link.start();
    await using replayer = new Replayer(config, link, progress);
    await replayer.start();
    for (const event of events) {
      progress(`${counts.same + counts.differs + counts.unknown} of ${events.length} decisions`);
      const replayed = await replayer.replay(event);
      counts[replayed.verdict]++;
      progress("");
      process.stdout.write(options.json ? `${JSON.stringify(replayed)}\n` : linesOf(replayed));
    }
  } finally {
    await link.close();
  }
  process.stderr.write(
    `${counts.same} the same, ${counts.differs} differ, of ${counts.unknown} it can't be told\n`,
  );
  if (counts.differs > 0) process.exitCode = DIFFERS;
  else if (counts.unknown > 0) process.exitCode = UNKNOWN;
}

function linesOf({ decisionId, path, verdict, differences = [], reasons }: Replayed): string {
  const side = (text: string | undefined): string => shown(text ?? "nothing", SHOWN_LENGTH);
  return [
    `${verdict.padEnd(8)} ${shown(decisionId)} ${shown(path)}`,
    ...differences.map(({ at, before, after }) => {
      return `         ${at === "" ? "result" : shown(at)}: was ${side(before)}, is ${side(after)}`;
    }),
    ...reasons.map((reason) => `         ${shown(reason)}`),
    "",
  ].join("\n");
}
