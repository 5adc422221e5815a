import { createSocket, type Socket } from "node:dgram";
import dns from "node:dns";
import { once } from "node:events";

const TYPE_A = 1;
const NAME_ERROR = 3;

/** A DNS server on 127.0.0.1 that this process asks from now on. Made by {@link startDnsServer}. */
export class DnsServer implements AsyncDisposable {
  /** IPv4 addresses by name; other names don't exist. */
  readonly records: Map<string, readonly string[]> = new Map();
  /** How many questions for addresses it was asked. */
  questions = 0;
  readonly #socket: Socket = createSocket("udp4");
  readonly #before: readonly string[] = dns.getServers();

  async listen(): Promise<void> {
    this.#socket.on("message", (query, from) => {
      this.#socket.send(this.#answer(query), from.port, from.address);
    });
    this.#socket.bind(0, "127.0.0.1");
    await once(this.#socket, "listening");
    dns.setServers([`127.0.0.1:${this.#socket.address().port}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    dns.setServers(this.#before);
    this.#socket.close();
    await once(this.#socket, "close");
  }

  /** RFC 1035, section 4: one question, and as many answers as there are addresses. */
  #answer(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const question = query.subarray(12, at + 5);
    const addresses = this.records.get(labels.join(".").toLowerCase());
    const found = query.readUInt16BE(at + 1) === TYPE_A ? (addresses ?? []) : [];
    if (found.length > 0) this.questions++;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (addresses === undefined ? NAME_ERROR : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(found.length, 6);
    const records = found.map((address) =>
      Buffer.from([0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]),
    );
    return Buffer.concat([header, question, ...records]);
  }
}

/** Starts a DNS server whose records the test sets; disposal gives the process its own servers back. */
export async function startDnsServer(): Promise<DnsServer> {
  const server = new DnsServer();
  await server.listen();
  return server;
}
