import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, Events, headers, type NatsConnection, type Subscription } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { WireTap } from "../../../src/nats/wire/wire-tap.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats.stop());

interface Tapped {
  readonly subscription: Subscription;
  /** What came past the library, and what came through it. */
  readonly taken: string[];
  readonly given: string[];
}

function tap(connection: NatsConnection, subject: string): Tapped {
  const taken: string[] = [];
  const given: string[] = [];
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => void given.push(error?.message ?? message.string()),
  });
  WireTap.of(connection)!.take(subscription, ({ bytes, dataStart, dataEnd }) => {
    taken.push(bytes.toString("utf8", dataStart, dataEnd));
  });
  return { subscription, taken, given };
}

describe("the tap on a connection", () => {
  it("knows the client library that is installed", async () => {
    await using connection = await disposable(nats.url);
    const first = WireTap.of(connection.nats);
    expect(first).toBeDefined();
    expect(WireTap.of(connection.nats)).toBe(first);
  });

  it("takes plain messages of its subscriptions only, and the rest goes its way", async () => {
    await using connection = await disposable(nats.url);
    const ours = tap(connection.nats, "ours");
    const others: string[] = [];
    connection.nats.subscribe("others", {
      callback: (_, message) => void others.push(message.string()),
    });
    const marked = headers();
    marked.set("a", "b");
    for (let count = 0; count < 50; count++) {
      connection.nats.publish("ours", `plain ${count}`);
      connection.nats.publish("others", `other ${count}`);
      connection.nats.publish("ours", `marked ${count}`, { headers: marked });
    }
    await connection.nats.flush();
    const numbers = Array.from({ length: 50 }, (_, count) => count);
    expect(ours.taken).toEqual(numbers.map((count) => `plain ${count}`));
    expect(ours.given).toEqual(numbers.map((count) => `marked ${count}`));
    expect(others).toEqual(numbers.map((count) => `other ${count}`));
  });

  it("goes on after a reconnect, with values of any size", async () => {
    await using proxy = await startTcpProxy(nats.port);
    await using connection = await disposable(proxy.url);
    const reconnected = deferred();
    void (async () => {
      for await (const { type } of connection.nats.status()) {
        if (type === Events.Reconnect) reconnected.resolve();
      }
    })();
    const { taken } = tap(connection.nats, "sizes");
    const send = async (sizes: readonly number[]): Promise<void> => {
      for (const size of sizes) connection.nats.publish("sizes", "x".repeat(size));
      await connection.nats.flush();
    };
    await send([0, 1, 65_536, 500_000, 3]);
    proxy.reset();
    await reconnected.promise;
    await send([70_000, 0, 2]);
    expect(taken.map(({ length }) => length)).toEqual([0, 1, 65_536, 500_000, 3, 70_000, 0, 2]);
  });

  it("P4 keeps the event loop turning while messages pour in, and holds the sender back", async () => {
    await using connection = await disposable(nats.url);
    await using sender = await disposable(nats.url);
    const COUNT = 60_000;
    let taken = 0;
    const all = deferred();
    const subscription = connection.nats.subscribe("flood", { callback: () => undefined });
    WireTap.of(connection.nats)!.take(subscription, () => {
      // Each takes as long as putting a value into the store.
      const end = performance.now() + 0.01;
      while (performance.now() < end);
      if (++taken === COUNT) all.resolve();
    });
    await connection.nats.flush();
    const perTurn: number[] = [];
    let running = true;
    const turn = (): void => {
      perTurn.push(taken);
      if (running) setImmediate(turn);
    };
    const payload = Buffer.alloc(200, "x");
    for (let count = 0; count < COUNT; count++) sender.nats.publish("flood", payload);
    setImmediate(turn);
    await all.promise;
    running = false;
    await nextTurn();
    const most = Math.max(...perTurn.map((count, index) => count - (perTurn[index - 1] ?? 0)));
    // At 100 a millisecond: two slices of a millisecond, and what one look at the clock is late. Without the tap it
    // is what 2 MiB hold, some 8,000.
    expect(most).toBeLessThan(2_000);
  });

  it("ends a connection whose bytes make no sense, and the client makes another", async () => {
    await using proxy = await startTcpProxy(nats.port);
    await using connection = await disposable(proxy.url);
    const { taken } = tap(connection.nats, "after");
    const protocol = connection.nats as unknown as {
      protocol: { parser: { parse(bytes: Uint8Array): void }; transport: { socket: EventTarget } };
    };
    const closed = once(protocol.protocol.transport.socket, "close");
    protocol.protocol.parser.parse(Buffer.from("MSG nonsense\r\n"));
    await closed.catch(() => undefined);
    await vi.waitFor(
      async () => {
        connection.nats.publish("after", "again");
        await connection.nats.flush();
        expect(taken).toContain("again");
      },
      { timeout: 10_000 },
    );
  });
});

async function disposable(
  url: string,
): Promise<AsyncDisposable & { readonly nats: NatsConnection }> {
  const connection = await connect({
    servers: url,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
  return { nats: connection, [Symbol.asyncDispose]: () => connection.close() };
}
