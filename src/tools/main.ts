import { messageOf } from "../errors.ts";
import { TOOLS, type ToolName } from "./find-tool.ts";
import { provideOldestNats, provideTool } from "./provide-tool.ts";

// Prints the path of each tool asked for, one a line, after installing what is missing. Progress goes to
// standard error, so that a script can take the path from standard output.

const USAGE = "Usage: npm run tools -- nats-server | opa | all | --oldest-nats";

async function main(args: readonly string[]): Promise<number> {
  const wanted: (() => Promise<string>)[] = [];
  for (const argument of args.length === 0 ? ["all"] : args) {
    if (argument === "all") {
      for (const name of Object.keys(TOOLS)) wanted.push(() => provideTool(name as ToolName));
    } else if (argument === "--oldest-nats") {
      wanted.push(() => provideOldestNats());
    } else if (Object.hasOwn(TOOLS, argument)) {
      wanted.push(() => provideTool(argument as ToolName));
    } else {
      process.stderr.write(`Unknown argument ${JSON.stringify(argument)}.\n${USAGE}\n`);
      return 2;
    }
  }
  let code = 0;
  for (const provide of wanted) {
    try {
      process.stdout.write(`${await provide()}\n`);
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`);
      code = 1;
    }
  }
  return code;
}

process.exitCode = await main(process.argv.slice(2));
