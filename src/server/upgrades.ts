import { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** Headers that are about the upgrade only (RFC 9110 section 7.8, RFC 7540 section 3.2.1). */
const UPGRADE_HEADERS = new Set(["upgrade", "connection", "http2-settings"]);

/**
 * Where the WebSockets of one path arrive. As soon as somebody listens for upgrades, Node takes every request that
 * offers one away from its HTTP server, also the ordinary requests of clients that would rather speak HTTP/2 (Java's
 * does by default). Those are handed back as what they are without the offer, which a server is free to ignore.
 */
export function webSocketsAt(path: string, server: Server): EventEmitter {
  const webSockets = new EventEmitter();
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const [pathname] = request.url!.split("?", 1);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    if (
      isWebSocket &&
      pathname!.replace(/\/$/, "") === path &&
      webSockets.listenerCount("upgrade") > 0
    ) {
      webSockets.emit("upgrade", request, socket, head);
      return;
    }
    socket.unshift(Buffer.concat([headOf(request), head]));
    server.emit("connection", socket);
  });
  return webSockets;
}

/** The request's head as it came, without the offer. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (!UPGRADE_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}
