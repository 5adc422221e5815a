import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll } from "vitest";
import type { NatsOptions } from "../../../src/config/options.ts";
import type { ServerOptions } from "../../../src/server/server.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type Service, startService } from "./service.ts";

/** What a file's tests share; there from their first one to their last. */
export interface Shared {
  readonly nats: NatsServer;
  readonly client: NatsConnection;
  readonly service: Service;
  /** Puts values into a bucket, which is made where there is none. */
  put(bucket: string, entries: Readonly<Record<string, string>>): Promise<void>;
}

export interface Setup {
  readonly nats?: NatsOptions;
  readonly server?: Partial<ServerOptions>;
  /** Buckets that are there before the service starts. */
  readonly buckets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A NATS server, a client of it, and a service with this bundle, for all tests of the file or block. */
export function sharedService(bundle: string | undefined, setup: Setup = {}): Shared {
  const parts: { nats?: NatsServer; client?: NatsConnection; service?: Service } = {};
  const shared: Shared = {
    get nats() {
      return parts.nats!;
    },
    get client() {
      return parts.client!;
    },
    get service() {
      return parts.service!;
    },
    async put(bucket, entries) {
      const kv = await parts.client!.jetstream().views.kv(bucket);
      for (const [key, value] of Object.entries(entries)) await kv.put(key, value);
    },
  };
  beforeAll(async () => {
    parts.nats = await startNatsServer();
    const servers = parts.nats.url;
    // As the bridge's own, for tests that take the server away.
    parts.client = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    for (const [bucket, entries] of Object.entries(setup.buckets ?? {})) {
      await shared.put(bucket, entries);
    }
    parts.service = await startService(
      bundle,
      { server_url: servers, ...setup.nats },
      setup.server,
    );
  });
  afterAll(async () => {
    await parts.service?.[Symbol.asyncDispose]();
    await parts.client?.close();
    await parts.nats?.stop();
  });
  return shared;
}
