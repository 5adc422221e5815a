import { connect as connectSocket, type Socket } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { startServer } from "../../../src/server/server.ts";
import { sharedNats } from "../../support/shared-nats.ts";
import { BASIC, type Service, startService } from "./service.ts";

const shared = sharedNats();

describe("limits", () => {
  it("refuse what would be one request too many at the same time", async () => {
    await using service = await startService(
      BASIC,
      { server_url: shared.nats.url },
      { maxConcurrentRequests: 2 },
    );
    const slow = await Promise.all([0, 1].map(() => halfARequest(service)));
    await vi.waitFor(async () => expect((await service.get("/health")).status).toBe(503), 5_000);
    const reply = await service.get("/health");
    expect([reply.body, reply.headers.get("retry-after")]).toMatchObject([
      { code: "internal_error", errors: [{ code: "SERVER_BUSY" }] },
      "1",
    ]);
    for (const socket of slow) socket.destroy();
    await vi.waitFor(async () => expect((await service.get("/health")).status).toBe(200), 5_000);
  });

  it("close connections beyond the most, and serve the others", async () => {
    await using service = await startService(
      BASIC,
      { server_url: shared.nats.url },
      { maxConnections: 1 },
    );
    const held = await halfARequest(service);
    await vi.waitFor(() => expect(service.get("/health")).rejects.toThrow("fetch failed"), {
      timeout: 5_000,
    });
    held.destroy();
    await vi.waitFor(async () => expect((await service.get("/health")).status).toBe(200), 5_000);
  });

  it("drop who does not finish its headers or its body", async () => {
    await using service = await startService(
      BASIC,
      { server_url: shared.nats.url },
      { requestTimeoutMs: 300 },
    );
    const headers = await halfARequest(
      service,
      "POST /v1/data/basic/echo HTTP/1.1\r\nHost: x\r\nX: ",
    );
    const body = await halfARequest(service);
    for (const socket of [headers, body]) {
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      await new Promise((resolve) => socket.once("close", resolve));
      expect(text).toMatch(/^HTTP\/1\.1 408 .*"code":"invalid_parameter"/s);
    }
  });

  it("drop who does not take its answer", async () => {
    await using service = await startService(
      BASIC,
      { server_url: shared.nats.url, query_timeout: "200ms", evaluation_timeout: "30s" },
      { requestTimeoutMs: 4_000, maxConcurrentRequests: 1 },
    );
    // More than the kernel's buffers take at once.
    const input = `"${"x".repeat(10_000_000)}"`;
    const text = `{"input":${input}}`;
    const socket = await halfARequest(
      service,
      `POST /v1/data/basic/echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    socket.pause();
    const free = async (): Promise<boolean> => (await service.get("/health")).status === 200;
    await vi.waitFor(async () => expect(await free()).toBe(false), 5_000);
    await vi.waitFor(async () => expect(await free()).toBe(true), 10_000);
    socket.destroy();
  });
});

function halfARequest(
  service: Service,
  text = "POST /v1/data/basic/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(service.server.port, "127.0.0.1", () => {
      socket.write(text, () => resolve(socket));
    });
    socket.on("error", reject);
  });
}

describe("listening", () => {
  it("warns where others can reach a service that asks nobody who they are", async () => {
    await using service = await startService(BASIC, { server_url: shared.nats.url });
    const warnings: string[] = [];
    const silent = (): void => undefined;
    const logger = {
      debug: silent,
      info: silent,
      error: silent,
      warn: (_fields: object, text: string) => void warnings.push(text),
    };
    const options = { ...service.bridge.config.server, port: 0, logger };
    for (const host of ["0.0.0.0", "127.0.0.1", "localhost"]) {
      await (await startServer(service.bridge, { ...options, host })).close();
    }
    expect(warnings).toEqual([
      expect.stringMatching(/^everybody who reaches this address may ask/),
    ]);
  });
});
