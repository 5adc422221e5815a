import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { run } from "../integration/cli/cli.ts";
import type { Block } from "./blocks.ts";
import { typeChecked } from "./typescript.ts";
import { readmeConfig, startWorld, type World } from "./world.ts";

/** Compiles the block as a user of the package does, types and all; the answer is the program's file. */
async function compile({ text, file, line }: Block, { dir, here }: World): Promise<string> {
  const source = join(dir, "main.ts");
  await writeFile(source, here(text));
  const { program, problems } = typeChecked(source);
  expect([`${file}:${line}`, problems]).toEqual([`${file}:${line}`, []]);
  program.emit();
  return join(dir, "main.js");
}

export interface ProgramOptions {
  /** Instead of the README's configuration, which is taken without its token. */
  readonly config?: () => string;
  /** Whether the service runs. */
  readonly serve?: boolean;
  /** What the program writes until its end, which has to be a good one. */
  readonly writes: string;
}

/** Compiles the block and runs it, as a program of its own. */
export async function runProgram(
  block: Block,
  { config = configWithoutToken, serve = false, writes }: ProgramOptions,
): Promise<void> {
  await using world = await startWorld(config());
  if (serve) await world.serve();
  const main = await compile(block, world);
  // Browsers have WebSocket; Node only from its release 22 on, unless it is asked for.
  const env = { ...world.env, NODE_OPTIONS: "--experimental-websocket" };
  const ended = await run([], { main, cwd: world.dir, env }).exit;
  expect(ended).toEqual({ code: 0, signal: null, stdout: writes, stderr: "" });
}

function configWithoutToken(): string {
  return readmeConfig().replace(/^ *token: .*\n/m, "");
}
