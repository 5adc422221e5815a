import { setTimeout as delay } from "node:timers/promises";
import { Command, Option } from "commander";
import { pino } from "pino";
import { createBridge } from "../bridge.ts";
import type { Logger } from "../common/logger.ts";
import { fileBundle } from "../config/bundles.ts";
import { loadConfig } from "../config/load.ts";
import type { BridgeConfig } from "../config/types.ts";
import { parseHostPort } from "../config/servers.ts";
import { BridgeError, quote } from "../errors.ts";
import { type PolicyServer, startServer } from "../server/server.ts";

interface ServeOptions {
  readonly config: string;
  readonly bundle?: string;
  readonly addr?: string;
  readonly logLevel: string;
}

/** `nats-opa-bridge serve`: the policy service. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("answer decisions over HTTP, with OPA's REST API")
    .requiredOption("-c, --config <file>", "YAML or JSON, in OPA's format with plugins.nats")
    .option(
      "-b, --bundle <file>",
      "the bundle or .wasm to serve, in the place of the configuration's",
    )
    .option(
      "-a, --addr <host:port>",
      "where to listen, in the place of the configuration's server.addr",
    )
    .addOption(
      new Option("--log-level <level>", "what is logged, as JSON lines on standard error")
        .choices(["trace", "debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addHelpText(
      "after",
      `
Example:
  $ nats-opa-bridge serve --config config.yaml --bundle bundle.tar.gz
  $ curl localhost:8181/v1/data/authz/allow -d '{"input": {"user": "alice"}}'

Exit codes: 0 stopped by a signal; 1 failed, or NATS was given up; 2 the configuration or the bundle was refused.
`,
    )
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const logger: Logger = pino({ level: options.logLevel }, pino.destination(2));
  const config = withOverrides(await loadConfig(options.config), options);
  const bridge = await createBridge(config, { logger });
  // From the first request on, a signal is an orderly end. A second one of the same name finds no listener, and
  // ends the process at once.
  const signalled = new Promise<string>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve(name));
  });
  let server: PolicyServer;
  try {
    server = await startServer(bridge, { ...config.server, logger });
  } catch (error) {
    await bridge.close();
    throw error;
  }
  logger.info({ url: server.url }, "answering decisions");
  const reason = await Promise.race([signalled, bridge.gaveUp]);
  if (typeof reason === "string") {
    logger.info({ signal: reason }, "stopping");
    server.drain();
    await delay(config.server.shutdownWaitMs);
  } else {
    logger.error({ code: reason.code }, reason.message);
    process.exitCode = 1;
  }
  // In order: answers, watchers, connection.
  await server.close();
  await bridge.close();
  logger.info({}, "stopped");
}

function withOverrides(config: BridgeConfig, { bundle, addr }: ServeOptions): BridgeConfig {
  const bundles = bundle === undefined ? config.bundles : [fileBundle("bundle", bundle)];
  if (bundles.length === 0) {
    throw new BridgeError(
      "CONFIG_INVALID",
      "There is no policy to serve; name a bundle under bundles in the configuration, or give --bundle FILE.",
    );
  }
  const server = addr === undefined ? config.server : { ...config.server, ...hostAndPort(addr) };
  // A service may start before NATS does; it says so in its health until NATS is there.
  const nats = { ...config.nats, retryOnFailedConnect: config.nats.retryOnFailedConnect ?? true };
  return { ...config, bundles, server, nats };
}

function hostAndPort(addr: string): { host: string; port: number } {
  const parsed = parseHostPort(addr);
  // As in the configuration, no host means every address of the machine.
  if (typeof parsed !== "string") return { ...parsed, host: parsed.host || "0.0.0.0" };
  throw new BridgeError(
    "CONFIG_INVALID",
    `--addr ${quote(addr)}: ${parsed}; write 127.0.0.1:8181.`,
  );
}
