import type { FastifyInstance } from "fastify";
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts";
import type { watchEnds } from "./request-ends.ts";

/** `GET /metrics` in Prometheus' text format; every request is counted under its route. */
export function metricsRoutes(
  app: FastifyInstance,
  onEnd: ReturnType<typeof watchEnds>,
  metrics: BridgeMetrics,
): void {
  const handlers = new Map<string | undefined, string>();
  onEnd((request, reply, elapsedMs) => {
    // What its client has left before is no request that was answered.
    if (!reply.raw.writableEnded) return;
    const { url } = request.routeOptions;
    let handler = handlers.get(url);
    if (handler === undefined) handlers.set(url, (handler = handlerOf(url)));
    metrics.request(handler, request.method, reply.statusCode, elapsedMs / 1_000);
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
