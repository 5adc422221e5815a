import { shortenPauses } from "../../dist/common/short-pauses.js";

// One of the servers that the bench `http` asks; prints its URL. Ours is set up as the service is.

const [kind, natsUrl] = process.argv.slice(2);

if (kind === "hello") {
  const { default: Fastify } = await import("fastify");
  // The same Fastify, reading the same bodies as bytes, with nothing to decide.
  const app = Fastify({ bodyLimit: 10 * 2 ** 20 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.post("/v1/data/*", async (_request, reply) =>
    reply.type("application/json").send('{"result":true}'),
  );
  process.stdout.write(`${await app.listen({ host: "127.0.0.1", port: 0 })}\n`);
} else {
  shortenPauses();
  const { createBridge, startServer } = await import("../../dist/index.js");
  const bridge = await createBridge({
    nats: { server_url: natsUrl, root_bucket: "root" },
    bundle: { file: "examples/groups/bundle.tar.gz" },
  });
  await bridge.manager.getOrCreateWatcher("group");
  const server = await startServer(bridge, { ...bridge.config.server, port: 0 });
  process.stdout.write(`${server.url}\n`);
}
