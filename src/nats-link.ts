import type { Logger } from "./common/logger.ts";
import { readSecrets } from "./config/secrets.ts";
import { type ServerLookup, serversOf } from "./config/seeds.ts";
import type { NatsConfig } from "./config/types.ts";
import { NatsLink } from "./nats/connection.ts";

/** The connection that a configuration describes, not yet made. `servers` stands in for its addresses. */
export function linkOf(nats: NatsConfig, logger: Logger, servers?: ServerLookup): NatsLink {
  return new NatsLink(
    {
      ...nats,
      servers: serversOf(nats, servers),
      auth: () => readSecrets(nats),
      retryOnFailedConnect: nats.retryOnFailedConnect ?? false,
    },
    logger,
  );
}
