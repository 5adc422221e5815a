import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Command } from "commander";
import { buildCommand } from "../../src/cli/build.ts";
import { checkCommand } from "../../src/cli/check/check.ts";
import { demoCommand } from "../../src/cli/demo/demo.ts";
import { evalCommand } from "../../src/cli/eval.ts";
import { replayCommand } from "../../src/cli/replay/replay.ts";
import { serveCommand } from "../../src/cli/serve.ts";
import { testCommand } from "../../src/cli/test/test.ts";
import { watchCommand } from "../../src/cli/watch.ts";
import { ROOT } from "./blocks.ts";

const PROGRAM: readonly Command[] = [
  serveCommand(),
  demoCommand(),
  buildCommand(),
  testCommand(),
  checkCommand(),
  evalCommand(),
  replayCommand(),
  watchCommand(),
];

/** Where the flags of scripts are, by the script's name. */
const FLAGS_OF: Readonly<Record<string, string>> = {
  bench: "bench/run.mjs",
  chaos: "test/chaos/main.ts",
  conformance: "scripts/conformance.mjs",
  fleet: "test/fleet/main.ts",
};

/** Whether a text is a command of this repository or package, rather than a name, a path or another's command. */
export function isOurs(text: string): boolean {
  return /^(npm (ci|test|run) ?|npx |nats-opa-bridge \w+ |docker compose )/.test(`${text} `);
}

/** What is wrong with commands that no test runs: scripts, subcommands, flags and files that are not there. */
export function problemsOf(text: string): string[] {
  const commands = text
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, ""))
    .flatMap((line) => line.split(/&&|\|/))
    .map((command) => command.trim())
    .filter((command) => command !== "");
  return commands.flatMap((command) => problemsOfOne(command).map((what) => `${command}: ${what}`));
}

/** Whether one of our commands, a script, or Node itself has this flag. */
export function isFlag(flag: string): boolean {
  const ofScripts = Object.values(FLAGS_OF).some((source) =>
    readFileSync(ROOT + source, "utf8").includes(flag),
  );
  const ofCommands = PROGRAM.some(({ options }) => options.some(({ long }) => long === flag));
  return flag === "--help" || ofScripts || ofCommands || ofNode(flag);
}

function ofNode(flag: string): boolean {
  const v8 = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  return process.allowedNodeEnvironmentFlags.has(flag) || v8.includes(`  ${flag} `);
}

function problemsOfOne(command: string): string[] {
  const words = command.split(/\s+/);
  const [program, ...rest] = words;
  if (program === "npm") return problemsOfNpm(rest);
  if (program === "npx" && rest[0] === "nats-opa-bridge") return problemsOfOurs(rest.slice(1));
  if (program === "npx" && rest[0] === "vitest") return problemsOfVitest(rest.slice(1));
  if (program === "nats-opa-bridge") return problemsOfOurs(rest);
  if (program === "docker" && rest[0] === "compose") {
    return existsSync(`${ROOT}docker-compose.yaml`) ? [] : ["there is no docker-compose.yaml"];
  }
  return ["not a command of this repository"];
}

function problemsOfNpm([verb, ...rest]: readonly string[]): string[] {
  if (verb === "ci") return [];
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
    scripts: Record<string, string>;
  };
  const name = verb === "run" ? rest[0]! : verb!;
  if (!Object.hasOwn(scripts, name)) return [`there is no script ${name}`];
  const given = rest.slice(rest.indexOf("--") + 1).filter((word) => word !== name);
  const source = FLAGS_OF[name];
  if (source === undefined) return given.length > 0 ? [`${name} takes no arguments`] : [];
  const text = readFileSync(ROOT + source, "utf8");
  const flags = given.filter((word) => word.startsWith("--"));
  const problems = flags.filter((flag) => !text.includes(flag)).map((flag) => `no flag ${flag}`);
  if (name === "bench") {
    const bench = given.find((word) => !word.startsWith("--"));
    const known = readdirSync(`${ROOT}bench/cases`);
    if (!known.includes(`${bench}.mjs`) && bench !== "NAME") problems.push(`no bench ${bench}`);
  }
  return problems;
}

/** `vitest run`, with the tests to run. */
function problemsOfVitest([verb, ...paths]: readonly string[]): string[] {
  if (verb !== "run") return [`vitest ${verb} is not known here`];
  return paths.filter((path) => !existsSync(ROOT + path)).map((path) => `there is no ${path}`);
}

function problemsOfOurs([name, ...rest]: readonly string[]): string[] {
  const command = PROGRAM.find((one) => one.name() === name);
  if (command === undefined) return [`there is no command ${name}`];
  const flags = rest
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.replace(/=.*/, ""));
  const known = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  return flags.filter((flag) => !known.has(flag)).map((flag) => `no flag ${flag}`);
}
