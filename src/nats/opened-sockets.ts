import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Node tells here of every TCP socket that the process opens, before it is connected. */
const OPENED = "net.client.socket";

/**
 * Runs `dial`, and when it fails or the signal aborts, closes the sockets that it has opened. The client library
 * forgets a socket whose server has not greeted it in time: against a server that is stopped, or a load balancer
 * with nothing behind it, each attempt would leave one more behind, and a server that comes to would greet them all.
 */
export async function closingSockets<T>(signal: AbortSignal, dial: () => Promise<T>): Promise<T> {
  // One for each dial, so that others, and those of the process's other clients, are left alone.
  const here = new AsyncLocalStorage<true>();
  const sockets = new Set<Socket>();
  const opened = (message: unknown): void => {
    if (here.getStore() === true) sockets.add((message as { socket: Socket }).socket);
  };
  const close = (): void => sockets.forEach((socket) => void socket.destroy());
  subscribe(OPENED, opened);
  signal.addEventListener("abort", close);
  try {
    return await here.run(true, dial);
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
    unsubscribe(OPENED, opened);
    // Following asynchronous calls costs the whole process something.
    here.disable();
  }
}
