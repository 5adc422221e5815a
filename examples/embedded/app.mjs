import { authorize } from "./authorize.mjs";

/** The routes, as a Fastify plugin. Closing the application closes the bridge, once all requests are answered. */
export async function app(fastify, { bridge }) {
  fastify.addHook("onClose", () => bridge.close());

  fastify.get("/health", async (_request, reply) => {
    const { ready, reasons } = bridge.health();
    return reply.code(ready ? 200 : 503).send({ reasons });
  });

  // All routes in here are authorized, and so is each that is added.
  await fastify.register(async (guarded) => {
    guarded.addHook("preHandler", authorize(bridge));
    guarded.get(
      "/groups/:group/invoices",
      { config: { resource: "invoice", action: "read" } },
      async () => ({ invoices: [{ id: 1, amount: "12.00" }] }),
    );
    guarded.post(
      "/groups/:group/invoices/:id/payment",
      { config: { resource: "invoice", action: "pay" } },
      async (request, reply) => reply.code(201).send({ paid: request.params.id }),
    );
  });
}
