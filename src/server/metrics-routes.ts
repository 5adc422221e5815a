import type { FastifyInstance } from "fastify";
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts";

/** `GET /metrics` in Prometheus' text format; every request is counted under its route. */
export function metricsRoutes(app: FastifyInstance, metrics: BridgeMetrics): void {
  const handlers = new Map<string | undefined, string>();
  app.addHook("onResponse", (request, reply, done) => {
    const { url } = request.routeOptions;
    let handler = handlers.get(url);
    if (handler === undefined) handlers.set(url, (handler = handlerOf(url)));
    metrics.request(handler, request.method, reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });
  app.get("/metrics", async (_request, reply) => {
    const { text, contentType } = await metrics.text();
    return reply.type(contentType).send(text);
  });
}

/** The route without its wildcard, as OPA calls it: `v1/data`. */
function handlerOf(url: string | undefined): string {
  if (url === undefined) return "catchall";
  return url === "/" ? "index" : url.replace(/^\//, "").replace(/\/\*$/, "");
}
