import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import type { BridgeError } from "../../../src/errors.ts";
import type { NatsLink } from "../../../src/nats/connection.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { connectedLink, KeepingLogger, linkTo } from "./link-kit.ts";

const plain = { jetstream: false };
const isPending = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise, Promise.resolve("pending")])) === "pending";

async function reconnected(link: NatsLink, times: number): Promise<void> {
  await vi.waitFor(() => expect(link.status().reconnects).toBe(times), 10_000);
}

describe("the first connect", () => {
  test("N34 fails at once, with the remedy, where no server is", async () => {
    const urls = [`nats://127.0.0.1:${await freePort()}`, `nats://localhost:${await freePort()}`];
    const begin = performance.now();
    await expect(linkTo(urls).start()).rejects.toMatchObject({
      code: "NATS_UNREACHABLE",
      retryable: true,
      message: expect.stringMatching(
        new RegExp(
          `^No NATS server could be reached at ${urls.join(", ")} \\(connect ECONNREFUSED .*\\); check plugins.nats.server_url, and that nats-server runs there.$`,
        ),
      ),
    });
    expect(performance.now() - begin).toBeLessThan(2_500);
  });

  test("N34 fails where something else listens, silent or talking", async () => {
    for (const [greeting, reason] of [
      [
        "",
        "did not answer within plugins.nats.connect_timeout; check plugins.nats.server_url, or raise",
      ],
      ["HTTP/1.1 400 Bad Request\r\n\r\n", "unexpected response from server"],
    ] as const) {
      const other = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.write(greeting);
      }).listen(0, "127.0.0.1");
      await once(other, "listening");
      const { port } = other.address() as { port: number };
      await using link = linkTo(`nats://127.0.0.1:${port}`, { connectTimeoutMs: 300 });
      await expect(link.start()).rejects.toMatchObject({
        code: "NATS_UNREACHABLE",
        message: expect.stringContaining(reason),
      });
      other.close();
    }
  });

  test("N34 makes do with one of several servers", async () => {
    await using server = await startNatsServer(plain);
    const dead = `nats://127.0.0.1:${await freePort()}`;
    for (const urls of [
      [dead, server.url],
      [server.url, dead],
    ]) {
      await using link = await connectedLink(urls);
      expect(link.status().server).toBe(`127.0.0.1:${server.port}`);
    }
  });

  test("N34 is retried until the server comes up, if so configured", async () => {
    const port = await freePort();
    const logger = new KeepingLogger();
    const url = `nats://127.0.0.1:${port}`;
    await using link = linkTo(url, { retryOnFailedConnect: true, logger });
    await link.start();
    await vi.waitFor(() => expect(link.status().lastError).toContain("ECONNREFUSED"), 5_000);
    expect(link.state).toBe("connecting");
    const connection = link.connection();
    expect(await isPending(connection)).toBe(true);
    await using server = await startNatsServer({ ...plain, port });
    expect((await connection).getServer()).toBe(`127.0.0.1:${server.port}`);
    expect(link.state).toBe("connected");
    expect(logger.lines.some((line) => line.includes("NATS_UNREACHABLE"))).toBe(true);
  });
});

describe("a connection that was lost", () => {
  test("R1 comes back by itself, and tells those who want to know", async () => {
    await using server = await startNatsServer(plain);
    await using link = await connectedLink(server.url);
    const heard: string[] = [];
    const unlisten = link.onReconnect(() => heard.push("first"));
    link.onReconnect(() => {
      throw new Error("a listener that fails");
    });
    link.onReconnect(() => heard.push("last"));
    await server.kill();
    await vi.waitFor(() => expect(link.state).toBe("disconnected"), 5_000);
    expect(link.status().server).toBeUndefined();
    const waiting = link.connection();
    expect(await isPending(waiting)).toBe(true);
    await server.start();
    await waiting;
    await reconnected(link, 1);
    expect(heard).toEqual(["first", "last"]);
    unlisten();
    await server.restart();
    await reconnected(link, 2);
    expect(heard).toEqual(["first", "last", "last"]);
  });

  test("R1 moves to another server of the list", async () => {
    await using one = await startNatsServer(plain);
    await using two = await startNatsServer(plain);
    await using link = await connectedLink([one.url, two.url]);
    const [used, other] = link.status().server!.endsWith(`:${one.port}`) ? [one, two] : [two, one];
    await used.kill();
    await reconnected(link, 1);
    expect(link.status().server).toBe(`127.0.0.1:${other.port}`);
  });

  test("R1 survives credentials that are revoked and given back", async () => {
    const config = (password: string): string =>
      `authorization { user: alice, password: ${password} }`;
    await using server = await startNatsServer({ ...plain, config: config("one") });
    await using link = await connectedLink(server.url, {
      auth: { mode: "userpass", username: "alice", password: "one" },
    });
    await server.writeConfig(config("two"));
    await server.reload();
    const refused = (): number => server.logs().split("authentication error").length;
    await vi.waitFor(() => expect(refused()).toBeGreaterThan(4), 10_000);
    expect(link.state).toBe("disconnected");
    expect(link.status().lastError).toContain("refused the credentials (AUTHORIZATION_VIOLATION)");
    await server.writeConfig(config("one"));
    await server.reload();
    await vi.waitFor(() => expect(link.state).toBe("connected"), 10_000);
  });

  test("R1 is given up when its budget of attempts is spent, and only then", async () => {
    await using server = await startNatsServer(plain);
    await using link = await connectedLink(server.url, {
      maxReconnectAttempts: 150,
      reconnectWaitMs: 20,
      reconnectMaxWaitMs: 20,
    });
    await server.restart();
    await reconnected(link, 1);
    expect(await isPending(link.gaveUp)).toBe(true);
    await server.kill();
    await vi.waitFor(() => expect(link.state).toBe("disconnected"), 5_000);
    const connection = link.connection().catch((error: unknown) => error);
    const reason = await link.gaveUp;
    expect(reason).toMatchObject({
      code: "NATS_CLOSED",
      message: expect.stringMatching(
        /^The connection to NATS has been given up after 150 attempts in a row .*ECONNREFUSED.* raise plugins.nats.max_reconnect_attempts, or set -1/,
      ),
    });
    expect(await connection).toBe(reason);
    expect(link.state).toBe("failed");
    await expect(link.connection()).rejects.toBe(reason);
    await link.close();
    expect(link.state).toBe("failed");
  });

  test("R1 is noticed as lost when the other side falls silent", async () => {
    await using server = await startNatsServer(plain);
    await using proxy = await startTcpProxy(server.port);
    await using link = await connectedLink(proxy.url);
    proxy.blackhole();
    await vi.waitFor(() => expect(link.state).toBe("disconnected"), 20_000);
    proxy.restore();
    await reconnected(link, 1);
  });
});

describe("close", () => {
  const states: [string, () => Promise<[NatsLink, () => Promise<void>]>][] = [
    ["before start", async () => [linkTo("nats://127.0.0.1:1"), async () => undefined]],
    [
      "while connected",
      async () => {
        const server = await startNatsServer(plain);
        return [await connectedLink(server.url), () => server.stop()];
      },
    ],
    [
      "while disconnected",
      async () => {
        const server = await startNatsServer(plain);
        // The budget is not spent before the test goes on, however slow the machine is.
        const link = await connectedLink(server.url, {
          maxReconnectAttempts: 2,
          reconnectWaitMs: 60_000,
          reconnectMaxWaitMs: 60_000,
        });
        await server.stop();
        await vi.waitFor(() => expect(link.state).toBe("disconnected"), 5_000);
        return [link, async () => undefined];
      },
    ],
    [
      "while the first connect is retried",
      async () => {
        const link = linkTo("nats://127.0.0.1:1", { retryOnFailedConnect: true });
        await link.start();
        await vi.waitFor(() => expect(link.status().lastError).toBeDefined(), 5_000);
        return [link, async () => undefined];
      },
    ],
  ];

  test.each(states)("R1 %s, twice, is not giving up", async (_, make) => {
    const [link, release] = await make();
    await Promise.all([link.close(), link.close()]);
    await link.close();
    expect(link.state).toBe("closed");
    await expect(link.connection()).rejects.toMatchObject({
      code: "NATS_CLOSED",
      message: "The connection to NATS is closed.",
    });
    await expect(link.start()).rejects.toMatchObject({ code: "NATS_CLOSED" });
    expect(await isPending(link.gaveUp)).toBe(true);
    expect(link.state).toBe("closed");
    await release();
  });

  test("R1 while the first connect is under way ends it at once, and what comes of it", async () => {
    const server = await startNatsServer(plain);
    await using proxy = await startTcpProxy(server.port);
    proxy.delay(500);
    for (const retryOnFailedConnect of [false, true]) {
      const link = linkTo(proxy.url, { retryOnFailedConnect });
      const started = link.start().catch((error: BridgeError) => error.code);
      await vi.waitFor(() => expect(proxy.connections).toBe(1), 5_000);
      await link.close();
      expect(await started).toBe(retryOnFailedConnect ? undefined : "NATS_CLOSED");
      expect(link.state).toBe("closed");
      await vi.waitFor(() => expect(proxy.connections).toBe(0), 5_000);
      expect(link.state).toBe("closed");
      expect(await isPending(link.gaveUp)).toBe(true);
    }
    await server.stop();
  });

  test("R1 by a listener to a reconnect is heeded", async () => {
    await using server = await startNatsServer(plain);
    const link = await connectedLink(server.url);
    const closed = deferred();
    link.onReconnect(() => void link.close().then(closed.resolve));
    await server.restart();
    await closed.promise;
    expect(link.state).toBe("closed");
  });
});
