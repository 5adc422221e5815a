import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import type { BridgeOptions } from "../../../src/config/options.ts";
import { startServer } from "../../../src/server/server.ts";
import {
  type LogCollector,
  type LogEvent,
  startLogCollector,
} from "../../support/log-collector.ts";
import type { NatsServer } from "../../support/nats-server.ts";
import { sharedNats, type SharedNats } from "../../support/shared-nats.ts";

export const LOGGED: string = fileURLToPath(
  new URL("../../policies/decision-log/bundle.tar.gz", import.meta.url),
);

/** At once, so that tests don't wait. */
export const AT_ONCE = { trigger: "immediate" } as const;

/** What a file's tests share, and a collector of events for each of them. */
export interface Collecting extends SharedNats {
  readonly collector: LogCollector;
  /** The events that have come, once there are so many. */
  events(count: number): Promise<LogEvent[]>;
}

export function sharedCollecting(): Collecting {
  const shared = sharedNats();
  let collector: LogCollector | undefined;
  beforeEach(async () => {
    collector = await startLogCollector();
  });
  afterEach(() => collector?.stop());
  const more: PropertyDescriptorMap & ThisType<Collecting> = {
    collector: { get: () => collector! },
    events: { value: (count: number) => eventsOf(collector!, count) },
  };
  return Object.defineProperties(shared, more) as Collecting;
}

/** The events that a collector has got, once there are so many. */
export async function eventsOf(from: LogCollector, count: number): Promise<LogEvent[]> {
  await vi.waitFor(() => expect(from.events()).toHaveLength(count), 20_000);
  return from.events();
}

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
