import { type ChildProcess, spawn } from "node:child_process";
import { expect, vi } from "vitest";
import { endAtExit } from "../support/exit.ts";
import { asBeginning, expectAnswer } from "./answers.ts";
import { type Block, blockAfter } from "./blocks.ts";
import { ready, startWorld, type World } from "./world.ts";

export interface SessionOptions {
  /** In the place of the README's; a function, as the documents are read when the test runs. */
  readonly config?: () => string;
  /** What the commands write, all of it; where the document does not show it. */
  readonly writes?: RegExp;
  /** What a command that goes on is to write; likewise. Default: a line. */
  readonly until?: RegExp;
  /** Something that happens, again and again, while a command that goes on is listened to. */
  readonly meanwhile?: (world: World) => Promise<void>;
  /** Before the first command. */
  readonly before?: (world: World) => Promise<void>;
}

const PATIENCE = { timeout: 40_000, interval: 50 };

/** Commands that go on until they are interrupted. */
const ENDLESS = /^npx nats-opa-bridge (serve|watch)\b|^curl .*-s?N/;

/**
 * Runs a block of shell commands, one after the other, against a real service and a real NATS server, and compares
 * what they write with the block of text or JSON that follows. Commands that go on are listened to until they have
 * written what is shown, but for `serve`, which is left running for the others.
 */
export async function runSession(block: Block, options: SessionOptions = {}): Promise<void> {
  const commands = commandsOf(block);
  const answer = blockAfter(block);
  const shown = answer !== undefined && isAnswer(answer) ? answer : undefined;
  await using world = await startWorld(options.config?.());
  await options.before?.(world);
  if (!commands.some(isServe)) await world.serve();
  const running: Shell[] = [];
  let output = "";
  try {
    for (const command of commands) {
      const shell = startShell(world.here(command), world);
      running.push(shell);
      if (isServe(command)) await ready(await urlOf(shell));
      else if (ENDLESS.test(command)) output += await listenTo(shell, shown, options, world);
      else output += await ended(shell, command);
    }
  } finally {
    for (const shell of running) await shell.end();
  }
  if (shown !== undefined) expectAnswer(shown.language, shown.text, output);
  else if (options.writes !== undefined) expect(output).toMatch(options.writes);
  else if (commands.some((command) => /curl|eval/.test(command))) {
    throw new Error(`${block.file}:${block.line}: show below the block what it answers`);
  }
}

/** Whether a block shows what the block before it answers. */
export function isAnswer({ language }: Block): boolean {
  return language === "text" || language === "json";
}

/** One command a line; a backslash joins lines. */
function commandsOf({ text }: Block): string[] {
  const lines = text.replaceAll(/\\\n\s*/g, "").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

function isServe(command: string): boolean {
  return command.startsWith("npx nats-opa-bridge serve");
}

interface Shell {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly exit: Promise<number | null>;
  /** Interrupts it, as Ctrl-C at a terminal does, and waits for its end. */
  end(): Promise<void>;
}

function startShell(command: string, { dir, env }: World): Shell {
  const child = spawn("bash", ["-c", command], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, all of which is interrupted.
    detached: true,
  });
  endAtExit.add(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const exit = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      endAtExit.delete(child);
      resolve(code);
    });
  });
  return {
    child,
    exit,
    stdout: () => stdout,
    stderr: () => stderr,
    async end() {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGINT");
      await exit;
    },
  };
}

async function ended(shell: Shell, command: string): Promise<string> {
  const code = await shell.exit;
  if (code === 0) return shell.stdout();
  throw new Error(`${command} ended with code ${code}: ${shell.stdout()}${shell.stderr()}`);
}

/** Where a service says that it answers. */
function urlOf(shell: Shell): Promise<string> {
  return vi.waitFor(() => {
    const [, url] = /"url":"(http:[^"]+)"/.exec(shell.stderr()) ?? [];
    if (url === undefined) throw new Error(`it does not answer: ${shell.stderr()}`);
    return url;
  }, PATIENCE);
}

/** What a command that goes on has written, as far as the document shows it. */
function listenTo(
  shell: Shell,
  shown: Block | undefined,
  { meanwhile, until = /^.*\n/ }: SessionOptions,
  world: World,
): Promise<string> {
  const expected = shown === undefined ? until : asBeginning(shown.text);
  return vi.waitFor(async () => {
    const output = world.shown(shell.stdout());
    const [found] = expected.exec(output) ?? [];
    if (found !== undefined) return found;
    await meanwhile?.(world);
    throw new Error(`${expected} does not match what it writes: ${output}${shell.stderr()}`);
  }, PATIENCE);
}
