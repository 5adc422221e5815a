import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startServer } from "../../../src/server/server.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { BASIC, type Service, startService } from "./service.ts";

let nats: NatsServer;
let client: NatsConnection;

beforeAll(async () => {
  nats = await startNatsServer();
  client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("slow");
  await kv.put("a", "1");
});

afterAll(async () => {
  await client.close();
  await nats.stop();
});

/** A question over a connection that its agent would keep. */
function ask(
  service: Service,
  agent: Agent,
  path: string,
  input: unknown,
): Promise<{ status: number; connection: string | undefined; text: string; socket: Socket }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      `${service.url}/v1/data/${path}`,
      { agent, method: "POST" },
      (response) => {
        let text = "";
        const { socket } = response;
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          resolve({
            status: response.statusCode!,
            connection: response.headers.connection,
            text,
            socket,
          });
        });
      },
    );
    asking.on("error", reject);
    asking.end(JSON.stringify({ input }));
  });
}

/** Resolves when a decision waits for a bucket's load. */
async function untilLoading(service: Service): Promise<void> {
  await vi.waitFor(() => {
    expect(service.bridge.status().watch.buckets).toMatchObject([{ bucket: "slow" }]);
  });
}

describe("a service that stops", () => {
  it("lets a decision that waits for a load finish, refuses new connections, and closes idle ones", async () => {
    await using service = await startService(BASIC, { server_url: nats.url });
    const agent = new Agent({ keepAlive: true });
    const idle = await ask(service, agent, "basic/allow", { user: "alice" });
    expect([idle.status, idle.connection]).toEqual([200, "keep-alive"]);
    const idleClosed = new Promise((resolve) => idle.socket.once("close", resolve));

    nats.pause();
    let closed: Promise<void>;
    let suspended: ReturnType<typeof ask>;
    try {
      suspended = ask(service, new Agent({ keepAlive: true }), "basic/value", {
        bucket: "slow",
        key: "a",
      });
      await untilLoading(service);
      closed = service.server.close();
      await idleClosed;
      await expect(service.get("/health")).rejects.toThrow("fetch failed");
    } finally {
      nats.resume();
    }
    const start = performance.now();
    const answer = await suspended;
    expect([answer.status, answer.text]).toEqual([200, '{"result":1}']);
    // Kept alive, it would hold up the server that waits for it.
    expect(answer.connection).toBe("close");
    await closed;
    expect(performance.now() - start).toBeLessThan(5_000);
    agent.destroy();
  });

  it("ends what is still under way when the grace period is over", async () => {
    await using service = await startService(
      BASIC,
      { server_url: nats.url, query_timeout: "20s" },
      { shutdownGraceMs: 200 },
    );
    nats.pause();
    try {
      const suspended = ask(service, new Agent(), "basic/value", { bucket: "slow", key: "a" });
      const cut = suspended.catch((error: unknown) => error);
      await untilLoading(service);
      const start = performance.now();
      await service.server.close();
      expect(performance.now() - start).toBeGreaterThanOrEqual(190);
      expect(performance.now() - start).toBeLessThan(3_000);
      expect(await cut).toMatchObject({ message: "socket hang up" });
    } finally {
      nats.resume();
    }
  });

  it("closes once, however often it is told to", async () => {
    await using service = await startService(BASIC, { server_url: nats.url });
    const first = service.server.close();
    expect(service.server.close()).toBe(first);
    await first;
    await service.server.close();
  });
});

describe("a service that can't listen", () => {
  it("says which address, why, and what to do; the bridge is untouched", async () => {
    await using service = await startService(BASIC, { server_url: nats.url });
    const { bridge, server } = service;
    const options = { ...bridge.config.server, port: server.port };
    await expect(startServer(bridge, { ...options, host: "127.0.0.1" })).rejects.toMatchObject({
      code: "SERVER_LISTEN",
      message: expect.stringMatching(
        new RegExp(
          `"127\\.0\\.0\\.1:${server.port}" \\(EADDRINUSE\\); stop what listens there, or give another address`,
        ),
      ) as string,
    });
    await expect(
      startServer(bridge, { ...options, host: "no.such.host.invalid" }),
    ).rejects.toMatchObject({
      code: "SERVER_LISTEN",
    });
    expect((await service.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
  });
});
