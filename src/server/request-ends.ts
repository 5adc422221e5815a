import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** What is told that a request has ended: answered, or left by its client. */
export type RequestEnd = (request: FastifyRequest, reply: FastifyReply, elapsedMs: number) => void;

/**
 * Watches all requests for their ends; the answer takes whoever wants to be told of them. One listener serves all,
 * where Fastify's `onResponse` takes several for each request, and doesn't learn of clients that have gone away.
 */
export function watchEnds(app: FastifyInstance): (listener: RequestEnd) => void {
  const listeners: RequestEnd[] = [];
  app.addHook("onRequest", (request, reply, done) => {
    const startedMs = performance.now();
    // Comes once, however the request ends.
    reply.raw.on("close", () => {
      const elapsedMs = performance.now() - startedMs;
      for (const listener of listeners) listener(request, reply, elapsedMs);
    });
    done();
  });
  return (listener) => void listeners.push(listener);
}
