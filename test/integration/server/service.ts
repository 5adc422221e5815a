import { fileURLToPath } from "node:url";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import type { NatsOptions } from "../../../src/config/options.ts";
import { type PolicyServer, type ServerOptions, startServer } from "../../../src/server/server.ts";

export const BASIC: string = policyFile("../../policies/basic/bundle.tar.gz");
export const API: string = policyFile("../../policies/api/bundle.tar.gz");
export const GROUPS: string = policyFile("../../../examples/groups/bundle.tar.gz");

export function policyFile(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** A bridge that is served on a free port; `await using` stops both. */
export interface Service extends AsyncDisposable {
  readonly bridge: Bridge;
  readonly server: PolicyServer;
  readonly url: string;
  /** Asks over HTTP; the body goes out as it is. */
  get(path: string, init?: RequestInit): Promise<Reply>;
  post(
    path: string,
    body: NonNullable<RequestInit["body"]>,
    headers?: Record<string, string>,
  ): Promise<Reply>;
  /** Asks for a decision with this input. */
  decide(path: string, input: unknown): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, parsed; undefined where it is empty. */
  readonly body: unknown;
}

export async function startService(
  bundle: string | undefined,
  nats: NatsOptions,
  options: Partial<ServerOptions> = {},
): Promise<Service> {
  const bridge = await createBridge({
    nats,
    ...(bundle !== undefined && { bundle: { file: bundle } }),
  });
  const server = await startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
    ...options,
  });
  const get = async (path: string, init?: RequestInit): Promise<Reply> => {
    const response = await fetch(server.url + path, init);
    const text = await response.text();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    return { status: response.status, headers: response.headers, text, body };
  };
  const post: Service["post"] = (path, body, headers = {}) =>
    get(path, { method: "POST", body, headers });
  return {
    bridge,
    server,
    url: server.url,
    get,
    post,
    decide: (path, input) => post(`/v1/data/${path}`, JSON.stringify({ input })),
    async [Symbol.asyncDispose]() {
      await server.close();
      await bridge.close();
    },
  };
}
