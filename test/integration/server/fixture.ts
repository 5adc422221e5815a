import { afterAll, beforeAll } from "vitest";
import type { NatsOptions } from "../../../src/config/options.ts";
import type { ServerOptions } from "../../../src/server/server.ts";
import { sharedNats, type SharedNats } from "../../support/shared-nats.ts";
import { type Service, startService } from "./service.ts";

/** What a file's tests share; there from their first one to their last. */
export interface Shared extends SharedNats {
  readonly service: Service;
}

export interface Setup {
  readonly nats?: NatsOptions;
  readonly server?: Partial<ServerOptions>;
  /** Buckets that are there before the service starts. */
  readonly buckets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A NATS server, a client of it, and a service with this bundle, for all tests of the file or block. */
export function sharedService(bundle: string | undefined, setup: Setup = {}): Shared {
  const shared = sharedNats();
  let service: Service | undefined;
  beforeAll(async () => {
    for (const [bucket, entries] of Object.entries(setup.buckets ?? {})) {
      await shared.put(bucket, entries);
    }
    const nats = { server_url: shared.nats.url, ...setup.nats };
    service = await startService(bundle, nats, setup.server);
  });
  afterAll(() => service?.[Symbol.asyncDispose]());
  return Object.defineProperty(shared, "service", { get: () => service! }) as Shared;
}
