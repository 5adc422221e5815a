import type { FastifyInstance } from "fastify";
import { BridgeError } from "../../errors.ts";
import type { watchEnds } from "../request-ends.ts";

/** Those who ask here stay, and have a limit of their own. */
const STAYING: ReadonlySet<string | undefined> = new Set(["/v1/feed", "/v1/decisions"]);

declare module "fastify" {
  interface FastifyRequest {
    /** Whether it takes one of the places that {@link limitConcurrency} gives. */
    hasPlace: boolean;
  }
}

/** Refuses what would be one request too many at the same time, before its body is read. */
export function limitConcurrency(
  app: FastifyInstance,
  onEnd: ReturnType<typeof watchEnds>,
  most: number,
): void {
  let running = 0;
  app.decorateRequest("hasPlace", false);
  app.addHook("onRequest", (request, reply, done) => {
    if (STAYING.has(request.routeOptions.url)) {
      done();
      return;
    }
    if (running >= most) {
      reply.header("retry-after", "1");
      done(
        new BridgeError(
          "SERVER_BUSY",
          "Too many requests are under way; try again later (server.max_concurrent_requests).",
        ),
      );
      return;
    }
    running++;
    request.hasPlace = true;
    done();
  });
  onEnd((request) => {
    if (request.hasPlace) running--;
  });
}
