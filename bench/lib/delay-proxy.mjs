import { once } from "node:events";
import { createServer, connect as dial } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/**
 * A TCP proxy that holds every chunk back for half of the round trip's delay on its way, in both directions. It
 * has a thread of its own: a network's delay costs its users no time of their processor.
 *
 * @param {number} targetPort
 * @param {number} roundTripMs
 */
export async function startDelayProxy(targetPort, roundTripMs) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { targetPort, roundTripMs } });
  const [port] = await once(worker, "message");
  return { url: `nats://127.0.0.1:${port}`, stop: () => worker.terminate() };
}

async function serve({ targetPort, roundTripMs }) {
  const server = createServer((client) => {
    const upstream = dial(targetPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    forward(client, upstream, roundTripMs / 2);
    forward(upstream, client, roundTripMs / 2);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort.postMessage(server.address().port);
}

function forward(from, to, delayMs) {
  from.on("data", (chunk) => {
    if (delayMs === 0) to.write(chunk);
    else setTimeout(() => to.destroyed || to.write(chunk), delayMs);
  });
}

if (!isMainThread) await serve(workerData);
