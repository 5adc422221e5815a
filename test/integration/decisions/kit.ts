import { fileURLToPath } from "node:url";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import type { BridgeOptions } from "../../../src/config/options.ts";
import { startServer } from "../../../src/server/server.ts";
import type { NatsServer } from "../../support/nats-server.ts";

export const LOGGED: string = fileURLToPath(
  new URL("../../policies/decision-log/bundle.tar.gz", import.meta.url),
);

/** At once, so that tests don't wait. */
export const AT_ONCE = { trigger: "immediate" } as const;

/** A service whose decisions are logged. */
export interface LoggedService extends AsyncDisposable {
  readonly bridge: Bridge;
  readonly url: string;
  /** Asks for a decision; the answer's body. */
  decide(
    path: string,
    input: string,
    headers?: Record<string, string>,
  ): Promise<{ decision_id?: string; result?: unknown }>;
}

export async function startLogged(
  nats: Pick<NatsServer, "url">,
  options: Pick<
    BridgeOptions,
    "decision_logs" | "services" | "labels" | "nd_builtin_cache" | "server"
  >,
  bundle: string = LOGGED,
): Promise<LoggedService> {
  const bridge = await createBridge({
    nats: { server_url: nats.url },
    bundle: { file: bundle },
    ...options,
  });
  const server = await startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
  });
  return {
    bridge,
    url: server.url,
    async decide(path, input, headers = {}) {
      const body = `{"input":${input}}`;
      const response = await fetch(`${server.url}/v1/data/${path}`, {
        method: "POST",
        body,
        headers,
      });
      return (await response.json()) as { decision_id?: string; result?: unknown };
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await bridge.close();
    },
  };
}
