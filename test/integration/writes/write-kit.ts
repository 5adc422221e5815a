import { type Bridge, createBridge } from "../../../src/bridge.ts";
import type { BridgeOptions, NatsOptions, WriteOptions } from "../../../src/config/options.ts";
import { startServer } from "../../../src/server/server.ts";
import { BASIC } from "../server/service.ts";

export interface Reply {
  readonly status: number;
  /** The body, parsed; undefined where it is empty. */
  readonly body: unknown;
}

/** A service that writes. */
export interface WritingService extends AsyncDisposable {
  readonly bridge: Bridge;
  readonly url: string;
  ask(method: string, path: string, body?: string, headers?: HeadersInit): Promise<Reply>;
}

export async function startWriting(
  nats: NatsOptions,
  writes: WriteOptions = { enabled: true },
  options: Pick<BridgeOptions, "bundle" | "server"> = {},
): Promise<WritingService> {
  const bridge = await createBridge({ nats, writes, bundle: { file: BASIC }, ...options });
  const server = await startServer(bridge, { ...bridge.config.server, host: "127.0.0.1", port: 0 });
  return {
    bridge,
    url: server.url,
    async ask(method, path, body, headers = {}) {
      const url = `${server.url}/v1/data/${path}`;
      const response = await fetch(url, { method, headers, ...(body !== undefined && { body }) });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await bridge.close();
    },
  };
}

/** An error's status, OPA's code and ours. */
export function failureOf({ status, body }: Reply): unknown[] {
  const { code, errors } = body as { code: string; errors?: { code: string }[] };
  return [status, code, errors?.[0]?.code];
}
