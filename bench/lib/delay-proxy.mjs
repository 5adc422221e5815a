import { once } from "node:events";
import { createServer, connect as dial } from "node:net";

/**
 * A TCP proxy that holds every chunk back for half of the round trip's delay on its way, in both directions.
 *
 * @param {number} targetPort
 * @param {number} roundTripMs
 */
export async function startDelayProxy(targetPort, roundTripMs) {
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = dial(targetPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    forward(client, upstream, roundTripMs / 2);
    forward(upstream, client, roundTripMs / 2);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${server.address().port}`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function forward(from, to, delayMs) {
  from.on("data", (chunk) => {
    if (delayMs === 0) to.write(chunk);
    else setTimeout(() => to.destroyed || to.write(chunk), delayMs);
  });
}
