import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll } from "vitest";
import { type NatsServer, startNatsServer } from "./nats-server.ts";

/** A NATS server and a client of it; there from a file's, or block's, first test to its last. */
export interface SharedNats {
  readonly nats: NatsServer;
  readonly client: NatsConnection;
  /** Puts values into a bucket, which is made where there is none. */
  put(bucket: string, entries: Readonly<Record<string, string>>): Promise<void>;
}

export function sharedNats(): SharedNats {
  const parts: { nats?: NatsServer; client?: NatsConnection } = {};
  beforeAll(async () => {
    parts.nats = await startNatsServer();
    // As the bridge's own, for tests that take the server away.
    parts.client = await connect({
      servers: parts.nats.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
  });
  afterAll(async () => {
    await parts.client?.close();
    await parts.nats?.stop();
  });
  return {
    get nats() {
      return parts.nats!;
    },
    get client() {
      return parts.client!;
    },
    async put(bucket, entries) {
      const kv = await parts.client!.jetstream().views.kv(bucket);
      for (const [key, value] of Object.entries(entries)) await kv.put(key, value);
    },
  };
}
