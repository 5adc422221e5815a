import type { FastifyInstance } from "fastify";
import type { Bridge } from "../bridge.ts";

/** OPA's health API, and the bridge's own status. */
export function healthRoutes(app: FastifyInstance, bridge: Bridge): void {
  app.get("/health", async (request, reply) => {
    const query = request.query as Readonly<Record<string, string | undefined>>;
    const { bundles, ready, reasons } = bridge.health();
    const asked = (name: string): boolean => query[name] !== undefined && query[name] !== "false";
    if ((asked("bundles") || asked("bundle")) && !bundles) {
      return reply
        .code(500)
        .send(unhealthy("not all configured bundles have been activated", reasons));
    }
    if (asked("plugins") && !ready) {
      return reply.code(500).send(unhealthy("not all plugins in OK state", reasons));
    }
    if (!bundles) return reply.code(500).send(unhealthy("unable to perform evaluation", reasons));
    return reply.send({});
  });
  app.get("/v1/status", async (_request, reply) => reply.send({ result: bridge.status() }));
}

/** OPA sends `error` only; its own client wants `code` and `message` too. */
function unhealthy(error: string, reasons: readonly string[]): object {
  return { code: "internal_error", error, message: error, reasons };
}
