import { once } from "node:events";
import { connect } from "node:net";
import { headers } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BridgeError } from "../../../src/errors.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type Author, author, follow, numbered, RecordingSink } from "./bucket-kit.ts";
import { connectedLink, linkTo, type TestLink } from "./link-kit.ts";

let server: NatsServer;
let admin: Author;
let link: TestLink;
beforeAll(async () => {
  server = await startNatsServer();
  admin = await author(server.url);
  link = await connectedLink(server.url);
});
afterAll(async () => {
  await link.close();
  await admin[Symbol.asyncDispose]();
  await server.stop();
});

describe("a message with headers that no KV client writes", () => {
  test("N47 a removal by age or limit ends the key's value", async () => {
    await admin.create("markers");
    await admin.putAll("markers", [["a", "1"]]);
    const marker = headers();
    marker.set("Nats-Marker-Reason", "MaxAge");
    await admin.connection.jetstream().publish("$KV.markers.a", "", { headers: marker });
    const sink = follow(link, "markers");
    await sink.loading.promise;
    expect(sink.calls.slice(0, 3)).toEqual(["opened", "delete a", "loaded"]);
    sink.run.stop();
  });

  test.each([
    ["malformed headers", "NATS/1.0\r\nbad header: x\r\n\r\n"],
    ["the status of a heartbeat", "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 99\r\n\r\n"],
    ["the status of a lost consumer", "NATS/1.0 409 Consumer Deleted\r\n\r\n"],
  ])("W5 with %s it is a value like others, and the connection lives", async (name, head) => {
    const bucket = name.replaceAll(" ", "-");
    await admin.create(bucket);
    await admin.putAll(bucket, [["before", "1"]]);
    const sink = follow(link, bucket);
    await sink.loading.promise;
    const body = "2";
    // The library writes no such headers, so the protocol is spoken by hand.
    await publishRaw(server.port, `$KV.${bucket}.odd`, head, body);
    await admin.putAll(bucket, [["after", "3"]]);
    await vi.waitFor(() => expect(sink.map.get("after")).toBe("3"), 5_000);
    expect(sink.map.get("odd")).toBe(body);
    const again = follow(link, bucket);
    await again.loading.promise;
    expect(again.snapshot).toEqual(sink.map);
    await (await link.connection()).flush();
    again.run.stop();
    sink.run.stop();
  });
});

describe("a sink that refuses", () => {
  test("W7 when it has been told of the bucket, gets its own error and nothing more", async () => {
    await admin.create("refused");
    await admin.putAll("refused", numbered(10));
    const reason = new BridgeError("BUCKET_OVER_BUDGET", "too large");
    const sink = new RecordingSink();
    sink.opened = () => {
      throw reason;
    };
    follow(link, "refused", sink);
    expect(await sink.ending.promise).toBe(reason);
    expect(sink.calls).toEqual(["ended"]);
    expect(await admin.consumers("refused")).toBe(0);
  });

  test("W4 by stopping the stream in `opened` has nothing asked of the server", async () => {
    await admin.create("stopped");
    const sink = new RecordingSink();
    const followed = follow(link, "stopped", sink);
    sink.opened = (info) => {
      followed.run.stop();
      sink.opening.resolve(info);
    };
    await sink.opening.promise;
    await (await link.connection()).flush();
    expect(await admin.consumers("stopped")).toBe(0);
    expect(sink.calls).toEqual([]);
  });

  test("W5 by throwing at an entry, or when loaded, ends its stream and no other", async () => {
    await admin.create("throwing");
    await admin.putAll("throwing", numbered(100));
    const bystander = follow(link, "throwing");
    await bystander.loading.promise;
    for (const step of ["entry", "loaded", "current"] as const) {
      const sink = new RecordingSink();
      sink[step] = () => {
        throw new Error(`${step} failed`);
      };
      follow(link, "throwing", sink);
      expect(await sink.ending.promise).toMatchObject({
        code: "BUCKET_STREAM_ENDED",
        message: `Bucket "throwing" can't be followed: ${step} failed`,
      });
    }
    await admin.putAll("throwing", [["late", "1"]]);
    await vi.waitFor(() => expect(bystander.map.get("late")).toBe("1"), 5_000);
    bystander.run.stop();
  });
});

describe("stop", () => {
  test("W4 at any moment: nothing is called after it, and no consumer is left", async () => {
    const kv = await admin.create("cycles");
    await admin.putAll("cycles", numbered(2_000));
    for (let cycle = 0; cycle < 20; cycle++) {
      const sink = follow(link, "cycles");
      // From the very start through the load to live.
      if (cycle % 5 === 1) await (await link.connection()).flush();
      if (cycle % 5 === 2) await sink.opening.promise;
      if (cycle % 5 === 3) await vi.waitUntil(() => sink.count > 0, { interval: 1 });
      if (cycle % 5 === 4) await sink.loading.promise;
      sink.run.stop();
      sink.run.stop();
      const { length } = sink.calls;
      await kv.put("more", String(cycle));
      await (await link.connection()).flush();
      expect(sink.calls).toHaveLength(length);
    }
    await vi.waitFor(async () => expect(await admin.consumers("cycles")).toBe(0), {
      timeout: 12_000,
      interval: 200,
    });
  });

  test("W4 before there is a connection, and with none ever", async () => {
    const nowhere = linkTo("nats://127.0.0.1:1");
    const stopped = follow(nowhere, "any");
    const waiting = follow(nowhere, "any");
    stopped.run.stop();
    await nowhere.close();
    expect(await waiting.ending.promise).toMatchObject({ code: "NATS_CLOSED" });
    expect(stopped.calls).toEqual([]);
  });
});

/** Publishes over a socket of its own what no client library would. */
async function publishRaw(
  port: number,
  subject: string,
  head: string,
  body: string,
): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "data");
  const length = head.length + body.length;
  socket.write(`CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n`);
  socket.write(`HPUB ${subject} ${head.length} ${length}\r\n${head}${body}\r\nPING\r\n`);
  await once(socket, "data");
  socket.destroy();
}
