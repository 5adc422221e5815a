import { createServer, connect } from "node:net";
import { randomInt } from "node:crypto";

/** What a server says in its first line, as far as tests use it. */
export interface ServerInfo {
  version: string;
  /** Whether JetStream is enabled. */
  jetstream: boolean;
  port: number;
}

/**
 * A port of 127.0.0.1 on which nothing listens now. It's below the range from which systems take the ports
 * of outgoing connections: a client that keeps calling a stopped server could otherwise be given the very
 * port it calls, connect to itself and keep the server from starting again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(10_000, 32_000);
    if (await canListen(port)) return port;
  }
  throw new Error("found no free port of 127.0.0.1 between 10000 and 32000");
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * The INFO line of the NATS server on a port, which comes in plain text even where TLS follows;
 * `undefined` when nothing answers within `timeoutMs` milliseconds.
 */
export function readInfo(
  port: number,
  host = "127.0.0.1",
  timeoutMs = 1_000,
): Promise<ServerInfo | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, host);
    const finish = (info?: ServerInfo): void => {
      socket.destroy();
      resolve(info);
    };
    socket.setTimeout(timeoutMs, finish);
    socket.setEncoding("utf8");
    socket.on("error", () => {
      finish();
    });
    socket.on("close", () => {
      finish();
    });
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\r\n");
      if (end === -1) return;
      const line = text.slice(0, end);
      if (!line.startsWith("INFO ")) {
        finish();
        return;
      }
      // Without JetStream the server leaves the field out.
      const info = JSON.parse(line.slice(5)) as Omit<ServerInfo, "jetstream"> & Partial<ServerInfo>;
      finish({ ...info, jetstream: info.jetstream ?? false });
    });
  });
}
