import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { createBridge } from "../../bridge.ts";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { type BucketFiller, openFiller } from "../../nats/bucket-filler.ts";
import { startServer } from "../../server/server.ts";
import { DEVELOPERS, exampleData, PAYMENTS, ROOT_BUCKET } from "./example-data.ts";
import { startNats } from "./nats-process.ts";
import { type Answer, type Reporter, reporterFor } from "./reporter.ts";

const BUNDLE = fileURLToPath(new URL("../../../examples/groups/bundle.tar.gz", import.meta.url));
const FLIP_TIMEOUT_MS = 10_000;
/** A second apart: with containers, NATS may start at the same time as we do. */
const FILL_ATTEMPTS = 30;

interface DemoOptions {
  readonly port: number;
  readonly dataDir?: string;
  readonly once?: true;
  readonly fill?: string;
}

/** `nats-opa-bridge demo`: everything on one machine, in a minute. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("start NATS, example data and the service, and watch a decision change")
    .option(
      "-p, --port <port>",
      "where the service listens on 127.0.0.1; 0 for any free port",
      toPort,
      8181,
    )
    .option("--data-dir <dir>", "keep NATS's data here, instead of in a temporary directory")
    .option("--once", "unattended: one JSON object a step on stdout, then exit")
    .addOption(
      new Option(
        "--fill <url>",
        "only put the example data into the NATS server at this URL, then exit",
      ).conflicts(["dataDir", "once"]),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ nats-opa-bridge demo
  $ nats-opa-bridge demo --once
  $ nats-opa-bridge demo --fill nats://localhost:4222

Exit codes: 0 done, or ended by a signal; 1 failed; 2 the arguments were refused, or nats-server can't be had.
`,
    )
    .action((options: DemoOptions) =>
      options.fill === undefined ? demo(options) : fill(options.fill),
    );
}

function toPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("a port is a whole number from 0 to 65535.");
}

/** Puts the example data where somebody else's NATS is. What the demo has changed is changed back. */
async function fill(url: string): Promise<void> {
  let filler: BucketFiller;
  try {
    filler = await openFiller(url, { attempts: FILL_ATTEMPTS });
  } catch (cause) {
    // Not the whole address: there may be a password in it.
    const where = URL.canParse(url) ? quote(new URL(url).host) : "this address";
    const message = `--fill: the NATS server at ${where} can't be used (${messageOf(cause)}); check the address, and that nats-server runs there.`;
    throw new BridgeError("NATS_UNREACHABLE", message, { cause });
  }
  try {
    const keys = await filler.fill(exampleData());
    reporterFor(false).note(`${keys} keys in ${exampleData().size} buckets`);
  } finally {
    await filler.close();
  }
}

async function demo(options: DemoOptions): Promise<void> {
  const interrupt = new AbortController();
  // To the end of the process: npm passes on a Ctrl-C that the terminal has sent us already, and a second one
  // must not end us before everything has been stopped.
  const onSignal = (): void => interrupt.abort(new BridgeError("BRIDGE_STOPPING", INTERRUPTED));
  for (const name of SIGNALS) process.on(name, onSignal);
  // Whoever reads what we write may go away first (`| head`).
  process.stdout.on("error", onSignal);
  const cleanUp: (() => Promise<void>)[] = [];
  const report = reporterFor(options.once === true);
  try {
    await show(options, report, cleanUp, interrupt.signal);
    if (options.once !== true) {
      report.note("\nCtrl-C stops everything and leaves nothing behind.");
      await aborted(interrupt.signal);
    }
  } catch (error) {
    // Without an audience, an end before the end is a failure.
    if (options.once === true || !interrupt.signal.aborted) throw error;
  } finally {
    for (const stop of cleanUp.toReversed()) await stop();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const INTERRUPTED = "The demo was interrupted before it was done.";

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

/**
 * What there is to see, step by step. What was started is to be stopped by `cleanUp`, last one first. Once the
 * signal aborts nothing more is started, and the promise rejects with its reason.
 */
async function show(
  options: DemoOptions,
  report: Reporter,
  cleanUp: (() => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  report.title("1. A nats-server of its own, with JetStream");
  const nats = await startNats(options.dataDir, signal);
  cleanUp.push(() => nats.stop());
  report.step("nats", { url: nats.url });

  report.title("2. Example data: one KV bucket for each group, and a root bucket");
  const filler = await openFiller(nats.url);
  cleanUp.push(() => filler.close());
  const keys = await filler.fill(exampleData(), (done, total) => {
    signal.throwIfAborted();
    report.progress?.(done, total);
  });
  report.step("data", { buckets: exampleData().size, keys });

  report.title("3. The policy service");
  const bridge = await createBridge({
    nats: { server_url: nats.url, root_bucket: ROOT_BUCKET },
    bundle: { file: BUNDLE },
  });
  cleanUp.push(() => bridge.close());
  signal.throwIfAborted();
  const { port } = options;
  const server = await startServer(bridge, { ...bridge.config.server, host: "127.0.0.1", port });
  cleanUp.push(() => server.close());
  report.step("service", { url: server.url });

  report.title("4. Decisions");
  const ask = (user: string, group: string, action: string, resource: string): Promise<Answer> =>
    askService(server.url, { user, group, action, resource });
  const bobPays = (): Promise<Answer> => ask("bob", PAYMENTS, "pay", "invoice");
  report.decision("alice-pays", await ask("alice", PAYMENTS, "pay", "invoice"));
  report.decision("bob-pays", await bobPays());
  report.decision("dev-pushes", await ask("dev-0001", DEVELOPERS, "push", "code"));
  report.decision("carol-deploys", await ask("carol", DEVELOPERS, "deploy", "service"));

  report.title("5. A key changes in NATS: bob becomes an admin of Payments");
  const startedAt = performance.now();
  const revision = await filler.put(PAYMENTS, "members.bob", {
    role: "admin",
    since: "2026-11-01",
  });
  let answer = await bobPays();
  while (!answer.decision.allow) {
    signal.throwIfAborted();
    if (performance.now() - startedAt > FLIP_TIMEOUT_MS) {
      throw new BridgeError("QUERY_TIMEOUT", "The change did not reach a decision within 10 s.");
    }
    answer = await bobPays();
  }
  const ms = Math.round((performance.now() - startedAt) * 10) / 10;
  report.decision("bob-pays-now", answer, { revision, ms });

  report.curl(
    answer,
    `nats --server ${nats.url} kv put ${PAYMENTS} members.bob '{"role":"viewer"}'`,
  );
  report.step("done", { ok: true });
}

async function askService(url: string, input: object): Promise<Answer> {
  const address = `${url}/v1/data/authz/decision`;
  const body = JSON.stringify({ input });
  const response = await fetch(address, { method: "POST", body });
  if (!response.ok) {
    throw new BridgeError(
      "EVALUATION_FAILED",
      `${address} answered ${response.status}: ${await response.text()}`,
    );
  }
  const { result } = (await response.json()) as { result: Answer["decision"] };
  return { address, input, decision: result };
}
