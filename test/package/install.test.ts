import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connect } from "nats";
import { exampleData, PAYMENTS } from "../../src/cli/demo/example-data.ts";
import { blocksOf } from "../docs/blocks.ts";
import { run as start, urlOf } from "../integration/cli/cli.ts";
import { provideTool } from "../../src/tools/provide-tool.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { ROOT, scratch } from "./project.ts";
import { type Ended, must, run } from "./run.ts";

/** Of the project that the package is installed into: what a careful user would set. */
const STRICT = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  // The declarations of the package are looked at too.
  skipLibCheck: false,
  target: "es2022",
  lib: ["es2022", "esnext.disposable"],
  types: ["node"],
};

/** How the two kinds of users have their imports resolved. */
const RESOLUTIONS = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "preserve", moduleResolution: "bundler" },
};

/**
 * Dependencies that ask for a newer Node than the package does and work with it all the same: `cookie` is only loaded
 * by light-my-request, when routes are asked without a socket, and there `require` takes ES modules.
 */
const KNOWN_ENGINES = ["cookie"];

let project: Awaited<ReturnType<typeof scratch>>;
let nats: NatsServer;
let installed: Ended;

/** The README's block that begins so, with the test's NATS server and any port for the service. */
function here(readme: string, begins: string): string {
  const block = blocksOf("README.md", readme).find(({ text }) => text.startsWith(begins));
  const usual = "nats://localhost:4222";
  if (block?.text.includes(usual) !== true) throw new Error(`no block ${begins} with ${usual}`);
  return block.text.replaceAll(usual, nats.url).replaceAll("127.0.0.1:8181", "127.0.0.1:0");
}

async function putExampleData(): Promise<void> {
  const client = await connect({ servers: nats.url });
  for (const name of ["permit-groups-default", PAYMENTS]) {
    const bucket = await client.jetstream().views.kv(name);
    for (const [key, value] of exampleData().get(name)!)
      await bucket.put(key, JSON.stringify(value));
  }
  await client.close();
}

async function versionHere(name: string): Promise<string> {
  const text = await readFile(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return `${name}@${(JSON.parse(text) as { version: string }).version}`;
}

/** Compiles a file of the project; what is wrong with it is on standard output. */
async function compile(file: string, resolution: keyof typeof RESOLUTIONS): Promise<Ended> {
  const outDir = `built-${resolution}`;
  const compilerOptions = { ...STRICT, ...RESOLUTIONS[resolution], outDir };
  const config = join(project.path, `tsconfig.${resolution}.json`);
  await writeFile(config, JSON.stringify({ compilerOptions, files: [file] }));
  const tsc = join(project.path, "node_modules/typescript/bin/tsc");
  return run(process.execPath, [tsc, "-p", config], { cwd: project.path });
}

beforeAll(async () => {
  nats = await startNatsServer();
  await putExampleData();
  project = await scratch();
  const cwd = project.path;
  await must("npm", ["init", "--yes"], { cwd });
  const others = [await versionHere("typescript"), await versionHere("@types/node")];
  const args = ["install", inject("tarball"), ...others, "--prefer-offline", "--no-audit"];
  installed = await run("npm", args, { cwd });
  if (installed.code !== 0) throw new Error(`npm install failed:\n${installed.stderr}`);
  const readme = await readFile(join(cwd, "node_modules/nats-opa-bridge/README.md"), "utf8");
  // With this name it is an ES module, whatever the project's own type is.
  await writeFile(join(cwd, "example.mts"), here(readme, "import { createBridge }"));
  await writeFile(join(cwd, "config.yaml"), here(readme, "# config.yaml"));
  await mkdir(join(cwd, "policy"));
  await copyFile(
    join(cwd, "node_modules/nats-opa-bridge/examples/groups/bundle.tar.gz"),
    join(cwd, "policy/bundle.tar.gz"),
  );
});

afterAll(async () => {
  await project?.[Symbol.asyncDispose]();
  await nats?.stop();
});

describe("the package, installed into an empty project", () => {
  it("wants no newer Node than it says, but for what is known", () => {
    const refused = [...installed.stderr.matchAll(/EBADENGINE +package: '(.+)@/g)].map(
      ([, name]) => name!,
    );
    expect(refused.filter((name) => !KNOWN_ENGINES.includes(name))).toEqual([]);
  });

  it.each(["nodenext", "bundler"] as const)(
    "compiles and runs the README's library example: moduleResolution %s",
    async (resolution) => {
      const compiled = await compile("example.mts", resolution);
      expect(compiled).toEqual({ code: 0, stdout: "", stderr: "" });
      const file = join(project.path, `built-${resolution}`, "example.mjs");
      const ended = await run(process.execPath, [file], { cwd: project.path });
      expect(ended).toEqual({ code: 0, stdout: "true\n", stderr: "" });
    },
  );

  it("has types that refuse what is wrong", async () => {
    const source = await readFile(join(project.path, "example.mts"), "utf8");
    const wrong = source.replace("root_bucket:", "root_buckets:");
    expect(wrong).not.toBe(source);
    await writeFile(join(project.path, "wrong.mts"), wrong);
    const { code, stdout } = await compile("wrong.mts", "nodenext");
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/^wrong\.mts\(\d+,\d+\): error TS2353: .*'root_buckets' does not exist/);
  });

  it("exports its capabilities and its package.json", async () => {
    const code = `
      const { createRequire } = await import("node:module");
      const require = createRequire(import.meta.url);
      const { builtins } = require("nats-opa-bridge/capabilities.json");
      const { name } = require("nats-opa-bridge/package.json");
      console.log(name, builtins.some(({ name }) => name === "nats.kv.get_data"));`;
    const args = ["--input-type=module", "--eval", code];
    expect(await must(process.execPath, args, { cwd: project.path })).toBe(
      "nats-opa-bridge true\n",
    );
  });

  it("serves by the README's configuration, with its console", async () => {
    const main = join(project.path, "node_modules/nats-opa-bridge/dist/cli/main.js");
    const service = start(["serve", "--config", "config.yaml"], {
      main,
      cwd: project.path,
      env: { NATS_TOKEN: "any" },
    });
    try {
      const url = await urlOf(service);
      const input = { user: "alice", group: PAYMENTS, action: "pay", resource: "invoice" };
      const answer = await fetch(`${url}/v1/data/authz/allow`, {
        method: "POST",
        body: JSON.stringify({ input }),
      });
      expect(await answer.json()).toEqual({ result: true });
      const console = await fetch(`${url}/console`);
      expect([console.status, await console.text()]).toEqual([200, expect.stringMatching(/<html/)]);
    } finally {
      service.child.kill("SIGTERM");
    }
    expect(await service.exit).toMatchObject({ code: 0 });
  });

  it("builds a policy with its own capabilities, by the name of its program", async () => {
    const program = join(project.path, "node_modules/.bin/nats-opa-bridge");
    const policies = join("node_modules", "nats-opa-bridge", "examples", "groups");
    const args = ["build", policies, "-e", "authz/allow", "-o", "built.tar.gz"];
    const env = { OPA_BIN: await provideTool("opa") };
    const ended = await run(program, args, { cwd: project.path, env });
    expect(ended).toEqual({ code: 0, stdout: "", stderr: "wrote built.tar.gz\n" });
    expect((await readFile(join(project.path, "built.tar.gz"))).length).toBeGreaterThan(1_000);
  });
});
