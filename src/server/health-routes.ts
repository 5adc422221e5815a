import type { FastifyInstance } from "fastify";
import type { Bridge } from "../bridge.ts";
import { flag, type QueryParameters, valuesOf } from "./query-flags.ts";

/**
 * OPA's health API, and the bridge's own status. Plain `/health` says whether the process can work, and
 * `?plugins` whether it should be sent requests: not before everything configured is there, nor while it stops.
 */
export function healthRoutes(
  app: FastifyInstance,
  bridge: Bridge,
  isStopping: () => boolean,
): void {
  app.get("/health", async (request, reply) => {
    const query = request.query as QueryParameters;
    const { bundles, ready, reasons } = bridge.health();
    if (!bundles) {
      const asked = flag(query, "bundles") || flag(query, "bundle");
      const error = asked
        ? "not all configured bundles have been activated"
        : "unable to perform evaluation";
      return reply.code(500).send(unhealthy(error, reasons));
    }
    if (flag(query, "plugins")) {
      if (isStopping()) {
        return reply
          .code(500)
          .send(unhealthy("not all plugins in OK state", ["the service is stopping"]));
      }
      if (!ready && !valuesOf(query, "exclude-plugin").includes("nats")) {
        return reply.code(500).send(unhealthy("not all plugins in OK state", reasons));
      }
    }
    return reply.send({});
  });
  app.get("/v1/status", async (_request, reply) => reply.send({ result: bridge.status() }));
}

/** OPA sends `error` only; its own client wants `code` and `message` too. */
function unhealthy(error: string, reasons: readonly string[]): object {
  return { code: "internal_error", error, message: error, reasons };
}
