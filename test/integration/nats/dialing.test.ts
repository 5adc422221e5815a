import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { linkTo } from "./link-kit.ts";

interface SilentServer extends AsyncDisposable {
  readonly url: string;
  readonly open: number;
  readonly accepted: number;
}

/** Accepts connections and says nothing, like a server that is stopped, or a load balancer with nothing behind it. */
async function startSilentServer(): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.resume();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get open() {
      return sockets.size;
    },
    get accepted() {
      return accepted;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("an attempt to connect that nobody answers", () => {
  test("R2 leaves no socket behind when its time is over", async () => {
    await using silent = await startSilentServer();
    await using link = linkTo(silent.url, { connectTimeoutMs: 100 });
    await expect(link.start()).rejects.toMatchObject({ code: "NATS_UNREACHABLE" });
    expect(silent.accepted).toBe(1);
    await vi.waitFor(() => expect(silent.open).toBe(0), 5_000);
  });

  test("R2 leaves no socket behind when the link is closed meanwhile", async () => {
    await using silent = await startSilentServer();
    await using link = linkTo(silent.url, { connectTimeoutMs: 60_000 });
    const started = link.start().then(
      () => "connected",
      ({ code }: { code: string }) => code,
    );
    await vi.waitFor(() => expect(silent.open).toBe(1), 5_000);
    await link.close();
    expect(await started).toBe("NATS_CLOSED");
    await vi.waitFor(() => expect(silent.open).toBe(0), 5_000);
  });
});
