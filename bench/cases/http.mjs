import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { findTool } from "../../dist/tools/find-tool.js";
import { cpuSeconds } from "../lib/cpu.mjs";
import { fillExample, inputs, wholeDocument } from "../lib/group.mjs";
import { withNats } from "../lib/nats.mjs";
import { installOpaWithPlugin, startOpaServer, startOpaWithPlugin } from "../lib/opa-server.mjs";
import { median } from "../lib/stats.mjs";

// The service over loopback HTTP: the example's policy against 100,000 members, and in the same rounds the same
// Fastify that answers a constant, a plain `opa run --server` with the same data as a base document, and OPA with
// the Go plugin where that can be built. Each server is a process of its own, whose CPU time is measured.

const MEMBERS = 100_000;
const ROUNDS = 3;
const ROUND_S = 4;
const CONNECTIONS = 32;
const PATH = "/v1/data/authz/allow";
const REGO = "examples/groups/authz.rego";
const SERVER = fileURLToPath(new URL("../lib/http-server.mjs", import.meta.url));

export default async function measure(report) {
  const folder = await mkdtemp(join(tmpdir(), "bench-http-"));
  const sides = [];
  try {
    return await withNats(async ({ url, connection }) => {
      await fillExample(connection, MEMBERS);
      sides.push(await startNode("ours", ["bridge", url]), await startNode("hello", ["hello"]));
      const opa = await startOpa(folder);
      if (opa === undefined) report({ opa: "there is none; set OPA_BIN" });
      else sides.push(opa);
      const withPlugin = await installOpaWithPlugin(report);
      const plugin = withPlugin && (await startOpaWithPlugin(withPlugin, folder, url, REGO));
      if (plugin !== undefined) sides.push(await started(plugin));
      const figures = new Map(sides.map(({ name }) => [name, []]));
      for (const side of sides) await load(side, 1);
      for (let round = 0; round < ROUNDS; round++) {
        // Every other round the other way about, so that none always follows the same one.
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
          const figure = await load(side, ROUND_S);
          figures.get(side.name).push(figure);
          report({ round, side: side.name, ...figure });
        }
      }
      const of = (name, field) => median(figures.get(name).map((figure) => figure[field]));
      const ratio = (field, name) => of("ours", field) / of(name, field);
      // The client takes turns with the server on the machine's cores, and with whatever else runs there; so sides
      // are compared by the requests that a second of the server's own CPU time answers.
      const hasCpu = cpuSeconds(process.pid) !== undefined;
      if (!hasCpu) report({ cpu: "there is no /proc; ratios by CPU time are left out" });
      return {
        members: MEMBERS,
        connections: CONNECTIONS,
        requests_per_s: of("ours", "per_s"),
        p99_ms: of("ours", "p99_ms"),
        hello_per_s: of("hello", "per_s"),
        per_s_vs_hello: ratio("per_s", "hello"),
        ...(hasCpu && {
          per_cpu_second: of("ours", "per_cpu_s"),
          overhead_vs_hello: ratio("per_cpu_s", "hello"),
        }),
        ...(opa && {
          opa_per_s: of("opa", "per_s"),
          opa_p99_ms: of("opa", "p99_ms"),
          ...(hasCpu && { per_cpu_second_ratio_opa: ratio("per_cpu_s", "opa") }),
        }),
        ...(plugin && {
          opa_nats_per_s: of("opa-nats", "per_s"),
          opa_nats_p99_ms: of("opa-nats", "p99_ms"),
          ...(hasCpu && { per_cpu_second_ratio: ratio("per_cpu_s", "opa-nats") }),
        }),
      };
    });
  } finally {
    for (const { child } of sides) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

/** Asks for this long; the answers must be decisions, and the server's CPU time is its own. */
async function load({ name, url, child }, duration) {
  const before = cpuSeconds(child.pid);
  const result = await autocannon({
    url: url + PATH,
    method: "POST",
    headers: { "content-type": "application/json" },
    connections: CONNECTIONS,
    duration,
    requests: inputs(MEMBERS, 200).map((input) => ({ body: JSON.stringify({ input }) })),
  });
  const after = cpuSeconds(child.pid);
  if (result.non2xx + result.errors + result.timeouts > 0) throw new Error(`${name} has failed`);
  return {
    per_s: result.requests.total / result.duration,
    p99_ms: result.latency.p99,
    ...(after !== undefined && { per_cpu_s: result.requests.total / (after - before) }),
  };
}

async function startNode(name, args) {
  const child = spawn(process.execPath, [SERVER, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([once(child.stdout, "data"), failed(child, name)]);
  const side = { name, child, url: String(line).trim() };
  if (name === "ours") await expectDecision(side);
  return side;
}

async function startOpa(folder) {
  const file = await findTool("opa");
  if (file === undefined) return undefined;
  const data = join(folder, "data.json");
  const policy = join(folder, "authz.rego");
  await writeFile(data, JSON.stringify(wholeDocument(MEMBERS)));
  await writeFile(policy, await withoutBuiltins());
  return started(await startOpaServer("opa", file, [policy, data]));
}

/** The bridge's builtins are not in a plain OPA: what is in `data` is watched, and nothing has to be fetched. */
async function withoutBuiltins() {
  const text = await readFile(REGO, "utf8");
  return text
    .replaceAll(/nats\.kv\.watch_bucket\([^()]*\)/g, "true")
    .replaceAll(/nats\.kv\.get_data\((?:[^()]|\([^()]*\))*\)/g, "null");
}

async function started(side) {
  await Promise.race([expectDecision(side), failed(side.child, side.name)]);
  return side;
}

/** A server is there when it has allowed what the example allows. */
async function expectDecision({ name, url }) {
  const [input] = inputs(MEMBERS, 1);
  for (let attempt = 0; attempt < 600; attempt++) {
    try {
      const answer = await fetch(url + PATH, { method: "POST", body: JSON.stringify({ input }) });
      const { result } = await answer.json();
      if (result === true) return;
    } catch {
      // Not listening yet.
    }
    await delay(50);
  }
  throw new Error(`${name} does not decide`);
}

async function failed(child, name) {
  const [code] = await once(child, "exit");
  throw new Error(`${name} has ended with ${code}`);
}
