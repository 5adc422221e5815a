import { fileURLToPath } from "node:url";
import Fastify from "fastify";
import { createBridge } from "nats-opa-bridge";
import { app } from "./app.mjs";

const { env } = process;
const fastify = Fastify({ logger: true });

const bridge = await createBridge(
  {
    nats: {
      server_url: env.NATS_URL ?? "nats://localhost:4222",
      root_bucket: "permit-groups-default",
      // From a copy that could not be proved for so long nothing is decided: decide throws, and requests get 503.
      staleness: [{ buckets: ["*"], max_staleness: "10s", on_stale: "unavailable" }],
      refresh_interval: "2s",
    },
    bundle: {
      file: env.BUNDLE ?? fileURLToPath(new URL("../groups/bundle.tar.gz", import.meta.url)),
    },
  },
  { logger: fastify.log },
);
fastify.register(app, { bridge });

// Takes no more requests, answers those under way, and then closes the bridge.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void fastify.close());

try {
  await fastify.listen({ host: env.HOST ?? "127.0.0.1", port: Number(env.PORT ?? 3000) });
} catch (error) {
  fastify.log.fatal(error, "can't listen");
  await fastify.close();
  process.exitCode = 1;
}
