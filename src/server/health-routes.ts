import type { FastifyInstance, FastifyReply } from "fastify";
import type { Bridge } from "../bridge.ts";
import { isStranger } from "./access/identity.ts";
import { flag, type QueryParameters, valuesOf } from "./query-flags.ts";

/**
 * OPA's health API, two probes, and the bridge's own status.
 *
 * Plain `/health` says whether the process can work, and `?plugins` whether it should be sent requests: not before
 * everything configured is there, nor while it stops; OPA's status for "no" is 500. `/health/live` and
 * `/health/ready` ask the same of orchestrators, whose status is 503.
 */
export function healthRoutes(
  app: FastifyInstance,
  bridge: Bridge,
  isStopping: () => boolean,
): void {
  app.get("/health", async (request, reply) => {
    const query = request.query as QueryParameters;
    const { policy, bundles, ready, reasons: known } = bridge.health();
    // Probes need no names of buckets and servers.
    const reasons = isStranger(request) ? [] : known;
    const asksForBundles = flag(query, "bundles") || flag(query, "bundle");
    if (asksForBundles && !bundles) {
      return unhealthy(reply, 500, "not all configured bundles have been activated", reasons);
    }
    if (!policy) return unhealthy(reply, 500, "unable to perform evaluation", reasons);
    if (flag(query, "plugins")) {
      const error = "not all plugins in OK state";
      if (isStopping()) return unhealthy(reply, 500, error, STOPPING);
      if (!ready && !valuesOf(query, "exclude-plugin").includes("nats")) {
        return unhealthy(reply, 500, error, reasons);
      }
    }
    return reply.send({});
  });
  app.get("/health/live", async (_request, reply) => {
    const { live, reasons } = bridge.health();
    return live ? reply.send({}) : unhealthy(reply, 503, "not live", reasons);
  });
  app.get("/health/ready", async (_request, reply) => {
    if (isStopping()) return unhealthy(reply, 503, "not ready", STOPPING);
    const { ready, reasons, warnings } = bridge.health();
    return ready
      ? reply.send(warnings.length > 0 ? { warnings } : {})
      : unhealthy(reply, 503, "not ready", reasons);
  });
  app.get("/v1/status", async (_request, reply) => reply.send({ result: bridge.status() }));
}

const STOPPING = ["the service is stopping"];

/** OPA sends `error` only; its own client wants `code` and `message` too. */
function unhealthy(
  reply: FastifyReply,
  status: 500 | 503,
  error: string,
  reasons: readonly string[],
): FastifyReply {
  return reply.code(status).send({ code: "internal_error", error, message: error, reasons });
}
