import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";
import { exampleData } from "../../src/cli/demo/example-data.ts";
import { build, run, scratch, urlOf } from "../integration/cli/cli.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { blockOf, ROOT } from "./blocks.ts";

// What the documents say: NATS and the service on their usual ports, and the token in the environment.
const NATS_PORT = 4222;
const SERVICE_PORT = 8181;
const TOKEN = "the-token-of-the-documents";

/**
 * Where the documents' commands run: a folder with `config.yaml` and a policy, a NATS server with the demo's data
 * (without most of its developers), and the package as npm installs it.
 */
export interface World extends AsyncDisposable {
  readonly nats: NatsServer;
  readonly client: NatsConnection;
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** A text of a document, with this world's ports. */
  here(text: string): string;
  /** What a program has written, with the documents' ports. */
  shown(text: string): string;
  put(bucket: string, key: string, value: unknown): Promise<void>;
  /** Starts the service with `config.yaml`; resolves with its URL when it is ready. */
  serve(): Promise<string>;
}

/** The README's configuration. */
export function readmeConfig(): string {
  return blockOf("README.md", "# config.yaml\n").text;
}

/** NATS asks for the token where the configuration has one. */
export async function startWorld(config: string = readmeConfig()): Promise<World> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const stop of cleanUp.toReversed()) await stop();
  };
  try {
    await build();
    const { path: dir, [Symbol.asyncDispose]: remove } = await scratch();
    cleanUp.push(async () => remove());
    const hasToken = config.includes("${NATS_TOKEN}");
    const nats = await startNatsServer(
      hasToken ? { config: `authorization { token: "${TOKEN}" }` } : {},
    );
    cleanUp.push(() => nats.stop());
    const client = await connect({ servers: nats.url, ...(hasToken && { token: TOKEN }) });
    cleanUp.push(() => client.close());
    const put = async (bucket: string, key: string, value: unknown): Promise<void> => {
      await (await client.jetstream().views.kv(bucket)).put(key, JSON.stringify(value));
    };
    for (const [bucket, entries] of exampleData()) {
      const few = [...entries].filter(([key]) => !key.startsWith("members.dev-"));
      for (const [key, value] of few) await put(bucket, key, value);
    }
    const port = await freePort();
    const here = (text: string): string =>
      text.replaceAll(`:${NATS_PORT}`, `:${nats.port}`).replaceAll(`:${SERVICE_PORT}`, `:${port}`);
    const shown = (text: string): string =>
      text.replaceAll(`:${nats.port}`, `:${NATS_PORT}`).replaceAll(`:${port}`, `:${SERVICE_PORT}`);
    await furnish(dir, here(config));
    // npx must find the program here, and look nowhere else for it.
    const env = { NATS_TOKEN: TOKEN, npm_config_offline: "true", npm_config_loglevel: "error" };
    const serve = async (): Promise<string> => {
      const service = run(["serve", "--config", "config.yaml"], { cwd: dir, env });
      cleanUp.push(async () => {
        service.child.kill("SIGTERM");
        await service.exit;
      });
      const url = await urlOf(service);
      await ready(url);
      return url;
    };
    return { nats, client, dir, env, here, shown, put, serve, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Until the service has everything that its configuration names. */
export async function ready(url: string): Promise<void> {
  while (!(await fetch(`${url}/health/ready`)).ok) await delay(20);
}

async function furnish(dir: string, config: string): Promise<void> {
  await writeFile(join(dir, "config.yaml"), config);
  await writeFile(join(dir, "package.json"), '{"type": "module"}');
  await mkdir(join(dir, "policy"));
  await copyFile(join(ROOT, "examples/groups/bundle.tar.gz"), join(dir, "policy/bundle.tar.gz"));
  await mkdir(join(dir, "node_modules/.bin"), { recursive: true });
  await symlink(ROOT, join(dir, "node_modules/nats-opa-bridge"));
  // npm makes the program's file executable when it installs the package; here nothing was installed.
  const program = join(dir, "node_modules/.bin/nats-opa-bridge");
  const main = join(ROOT, "dist/cli/main.js");
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  await chmod(program, 0o755);
}
