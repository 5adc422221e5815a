import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { vi } from "vitest";
import { freePort } from "../support/ports.ts";
import { engineAvailable } from "./engine.ts";
import { ROOT } from "./images.ts";

const run = promisify(execFile);

/** Anything may take long where two cores do everything. */
export const EVENTUALLY = { timeout: 120_000, interval: 50 };

/** The command that runs compose files: `docker compose`, or the older program of its own. */
export const COMPOSE: readonly string[] | undefined = await findCompose();

/** Whether there is an engine, and something that runs compose files; says so where there is not. */
export async function composeAvailable(): Promise<boolean> {
  if (!(await engineAvailable())) return false;
  if (COMPOSE !== undefined) return true;
  const message = "neither docker compose nor docker-compose reaches an engine";
  if (process.env["CI"] === "true") throw new Error(message);
  process.stderr.write(`The tests of compose files are skipped, as ${message}\n`);
  return false;
}

async function findCompose(): Promise<readonly string[] | undefined> {
  for (const command of [["docker", "compose"], ["docker-compose"]] as const) {
    const [program, ...first] = command;
    // Unlike `version` this asks the engine, which need not be the one that testcontainers has found.
    const reaches = await run(program, [...first, "ps"], { cwd: ROOT }).then(
      () => true,
      () => false,
    );
    if (reaches) return command;
  }
  return undefined;
}

/** The services of one compose file, under a name and at ports of their own. */
export interface Stack extends AsyncDisposable {
  /** What is set for compose, and for programs that have to find the stack. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command of compose, and gives what it prints. */
  compose(...args: string[]): Promise<string>;
  /** The address of a service on this machine, by the variable that sets its port. */
  url(portVariable: string): string;
}

/**
 * Brings up the compose file of a folder. Each of `portVariables` gets a free port. Images are built, unless
 * `BRIDGE_IMAGE` says that there are some.
 */
export async function bringUp(
  folder: string,
  portVariables: readonly string[],
  settings: Record<string, string> = {},
): Promise<Stack> {
  const [program, ...first] = COMPOSE!;
  const free = new Set<number>();
  while (free.size < portVariables.length) free.add(await freePort());
  const ports: Record<string, string> = {};
  for (const [index, port] of [...free].entries()) ports[portVariables[index]!] = String(port);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...ports,
    ...settings,
    COMPOSE: COMPOSE!.join(" "),
    COMPOSE_PROJECT_NAME: `test-${randomUUID()}`,
  };
  const compose = async (...args: string[]): Promise<string> =>
    (await run(program!, [...first, ...args], { cwd: join(ROOT, folder), env })).stdout;
  const down = async (): Promise<void> => {
    await compose("down", "--volumes", "--timeout", "1");
  };
  try {
    await compose("up", "-d", env["BRIDGE_IMAGE"] === undefined ? "--build" : "--no-build");
  } catch (error) {
    const logs = await compose("logs").catch(String);
    await down();
    throw new Error(`${folder} does not come up:\n${logs}`, { cause: error });
  }
  const url = (variable: string): string => `http://127.0.0.1:${ports[variable]}`;
  return { env, compose, url, [Symbol.asyncDispose]: down };
}

/** Resolves when a service answers at this address, with a status that says yes. */
export async function answers(address: string): Promise<void> {
  await vi.waitFor(async () => {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }, EVENTUALLY);
}

/** What the data API of a bridge answers. */
export async function ask(bridge: string, path: string, input: object): Promise<unknown> {
  const body = JSON.stringify({ input });
  const response = await fetch(`${bridge}/v1/data/${path}`, { method: "POST", body });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return ((await response.json()) as { result?: unknown }).result;
}
