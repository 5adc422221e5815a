import type { FastifyInstance, FastifyRequest } from "fastify";
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts";

/** `GET /metrics` in Prometheus' text format; every request is counted under its route. */
export function metricsRoutes(app: FastifyInstance, metrics: BridgeMetrics): void {
  app.addHook("onResponse", async (request, reply) => {
    metrics.request(
      handlerOf(request),
      request.method,
      reply.statusCode,
      reply.elapsedTime / 1_000,
    );
  });
  app.get("/metrics", async (_request, reply) => {
    const { text, contentType } = await metrics.text();
    return reply.type(contentType).send(text);
  });
}

/** The route without its wildcard, as OPA calls it: `v1/data`. */
function handlerOf({ routeOptions }: FastifyRequest): string {
  const { url } = routeOptions;
  if (url === undefined) return "catchall";
  return url === "/" ? "index" : url.replace(/^\//, "").replace(/\/\*$/, "");
}
