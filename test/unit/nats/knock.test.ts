import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Knocker } from "../../../src/nats/knock.ts";

const EVERY_MS = 20;

/** A server that greets as NATS does, or takes connections and is silent. */
async function listening(greets: boolean, port = 0): Promise<{ url: string; server: Server }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (greets) socket.write("INFO {}\r\n");
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Whether a wait ends although nothing changes any more. */
async function ends(knocker: Knocker, urls: readonly string[], withinMs = 500): Promise<boolean> {
  const signal = AbortSignal.timeout(withinMs);
  await knocker.opened(urls, signal);
  return !signal.aborted;
}

describe("a wait for a server", () => {
  test("R19 ends when one comes back that was met nowhere, also when it does so before the first knock", async () => {
    const { url } = await listening(true);
    const knocker = new Knocker(EVERY_MS);
    expect(await ends(knocker, [url])).toBe(false);
    knocker.missed(url);
    expect(await ends(knocker, [url])).toBe(true);
  });

  test("O4 a server that greets, and is missed again and again, ends one wait of an outage", async () => {
    const { url } = await listening(true);
    const knocker = new Knocker(EVERY_MS);
    knocker.missed(url);
    expect(await ends(knocker, [url])).toBe(true);
    knocker.missed(url);
    expect(await ends(knocker, [url])).toBe(false);
    knocker.connected();
    knocker.missed(url);
    expect(await ends(knocker, [url])).toBe(true);
  });

  test("R19 a server that takes connections and is silent is not back", async () => {
    const { url } = await listening(false);
    const knocker = new Knocker(EVERY_MS);
    knocker.missed(url);
    expect(await ends(knocker, [url])).toBe(false);
  });

  test("R19 ends when a closed door opens, whatever the others do", async () => {
    const { url, server } = await listening(true);
    const silent = await listening(false);
    server.close();
    await once(server, "close");
    const knocker = new Knocker(EVERY_MS);
    expect(await ends(knocker, [url, silent.url], 200)).toBe(false);
    await listening(true, Number(new URL(url).port));
    expect(await ends(knocker, [url, silent.url], 3_000)).toBe(true);
  });
});
