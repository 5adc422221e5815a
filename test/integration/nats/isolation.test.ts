import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { serversOf } from "../../../src/config/seeds.ts";
import type { NatsLink } from "../../../src/nats/connection.ts";
import { startDnsServer } from "../../support/dns-server.ts";
import { startNatsCluster } from "../../support/nats-cluster.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { author, follow } from "./bucket-kit.ts";
import { connectedLink, KeepingLogger, linkTo } from "./link-kit.ts";

const plain = { jetstream: false };
const patient = { interval: 20, timeout: 20_000 };

// Only Linux has all of 127.0.0.0/8; elsewhere two addresses of one port are not to be had.
const elsewhere = process.platform !== "linux";

async function load(link: NatsLink): Promise<ReadonlyMap<string, string>> {
  const sink = follow(link, "B");
  try {
    await sink.loading.promise;
    return sink.snapshot!;
  } finally {
    sink.run.stop();
  }
}

describe("a cluster whose nodes all move to other addresses", () => {
  test.skipIf(elsewhere)(
    "R2 R5 R17 is followed by a list, a file, a lookup and a name, without a restart",
    { timeout: 60_000 },
    async () => {
      const port = await freePort();
      const hosts = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
      const moved = ["127.0.2.1", "127.0.2.2", "127.0.2.3"];
      const urls = (of: readonly string[]): string[] => of.map((host) => `nats://${host}:${port}`);
      const dir = await mkdtemp(join(tmpdir(), "nats-opa-bridge-isolation-"));
      const serversFile = join(dir, "servers");
      await using dns = await startDnsServer();
      await using cluster = await startNatsCluster(3, {}, { addresses: { hosts, port } });
      let lookedUp = urls(hosts);
      await writeFile(serversFile, lookedUp.join("\n"));
      dns.records.set("nats.test", hosts);

      const settings = { reconnectWaitMs: 100, reconnectMaxWaitMs: 1_000 };
      await using list = await connectedLink(urls([...hosts, ...moved]), settings);
      await using file = await connectedLink([], {
        ...settings,
        servers: serversOf({ servers: [], serversFile }),
      });
      await using lookup = await connectedLink([], { ...settings, servers: () => lookedUp });
      await using name = await connectedLink(`nats://nats.test:${port}`, settings);
      const links = { list, file, lookup, name };
      {
        await using before = await author(cluster.urls[0]!);
        await (await before.create("B", { replicas: 3 })).put("key", "1");
      }
      const first = Object.values(links).map((link) => follow(link, "B"));
      await Promise.all(first.map((sink) => sink.loading.promise));

      await Promise.all(cluster.nodes.map((node) => node.kill()));
      await vi.waitFor(() => {
        for (const link of Object.values(links)) expect(link.state).toBe("disconnected");
      }, patient);
      await Promise.all(cluster.nodes.map((node, index) => node.startOn(moved[index]!)));
      lookedUp = urls(moved);
      await writeFile(serversFile, lookedUp.join("\n"));
      dns.records.set("nats.test", moved);
      // JetStream needs a leader first.
      await using after = await connectedLink(lookedUp);
      const jetstream = (await after.connection()).jetstream({ timeout: 1_000 });
      await vi.waitFor(() => jetstream.publish("$KV.B.key", "2"), patient);

      // The streams learn of the new connection as of any other.
      for (const sink of first) await sink.ending.promise;
      for (const [kind, link] of Object.entries(links)) {
        const snapshot = await vi.waitFor(() => load(link), patient);
        expect([kind, snapshot.get("key")]).toEqual([kind, "2"]);
        expect(moved).toContain((await link.connection()).info?.host);
        expect(link.status().reconnects).toBeGreaterThan(0);
      }
      await rm(dir, { recursive: true });
    },
  );
});

describe("the servers of an attempt", () => {
  test("R2 R18 are asked for at every attempt; what fails leaves the last in use", async () => {
    await using one = await startNatsServer(plain);
    await using two = await startNatsServer(plain);
    let answer: () => string[] = () => [one.url];
    const logger = new KeepingLogger();
    await using link = await connectedLink([], { servers: () => answer(), logger });
    answer = () => {
      throw new Error("no registry");
    };
    await one.kill();
    await vi.waitFor(() => {
      expect(link.status().lastError).toBe("The list of NATS servers can't be had: no registry.");
    }, patient);
    await one.start();
    await vi.waitFor(() => expect(link.state).toBe("connected"), patient);
    expect(link.status().lastError).toBeUndefined();
    answer = () => [two.url];
    await one.kill();
    await vi.waitFor(() => expect(link.state).toBe("connected"), patient);
    expect(link.status().server).toBe(`127.0.0.1:${two.port}`);
  });

  test("R12 R13 may be none: nothing is dialed, and it is asked again", async () => {
    await using server = await startNatsServer(plain);
    let answer: string[] = [];
    await using link = linkTo([], { servers: () => answer, retryOnFailedConnect: true });
    await link.start();
    await vi.waitFor(() => {
      expect(link.status().lastError).toContain("The list of NATS servers is empty");
    }, patient);
    expect(await link.recover()).toBe(false);
    answer = [server.url];
    expect(await link.recover()).toBe(true);
    expect(link.state).toBe("connected");
  });

  test("R11 a step does nothing while there is a connection", async () => {
    await using server = await startNatsServer(plain);
    let asked = 0;
    const servers = (): string[] => (asked++, [server.url]);
    await using link = await connectedLink([], { servers });
    const connection = await link.connection();
    expect(await link.recover()).toBe(true);
    expect(await link.connection()).toBe(connection);
    expect(asked).toBe(1);
  });

  test("R2 an answer that never comes doesn't hold up the next attempt, nor close", async () => {
    await using server = await startNatsServer(plain);
    let asked = 0;
    const servers = (): Promise<string[]> =>
      ++asked === 1 ? new Promise(() => undefined) : Promise.resolve([server.url]);
    await using link = linkTo([], { servers, connectTimeoutMs: 200, retryOnFailedConnect: true });
    await link.start();
    await vi.waitFor(() => expect(link.state).toBe("connected"), patient);
    expect(asked).toBe(2);
    await using stuck = linkTo([], {
      servers: () => new Promise(() => undefined),
      connectTimeoutMs: 60_000,
      retryOnFailedConnect: true,
    });
    await stuck.start();
    await stuck.close();
    expect(stuck.state).toBe("closed");
  });

  test("R1 are, besides the configured ones, those of the cluster, unless that is off", async () => {
    await using cluster = await startNatsCluster(3, plain);
    const [seed, ...others] = cluster.nodes;
    const urls = [seed!.url];
    await using link = await connectedLink(urls);
    await using narrow = await connectedLink(urls, { discoverServers: false });
    await vi.waitFor(async () => {
      const known = (await link.connection()).info?.connect_urls ?? [];
      for (const node of others) expect(known).toContain(`127.0.0.1:${node.port}`);
    }, patient);
    await seed!.kill();
    await vi.waitFor(() => expect(link.state).toBe("connected"), patient);
    await vi.waitFor(() => expect(narrow.status().failedAttempts).toBeGreaterThan(2), patient);
    await seed!.start();
    await vi.waitFor(() => expect(narrow.state).toBe("connected"), patient);
    expect(narrow.status().server).toBe(`127.0.0.1:${seed!.port}`);
  });
});

describe("a connection that was lost", () => {
  test("R19 is back soon after its server, however long the wait has become", async () => {
    const port = await freePort();
    await using link = linkTo(`nats://127.0.0.1:${port}`, {
      retryOnFailedConnect: true,
      reconnectWaitMs: 20_000,
      reconnectProbeMs: 200,
    });
    await link.start();
    await vi.waitFor(() => expect(link.status().failedAttempts).toBe(1), patient);
    await using server = await startNatsServer({ ...plain, port });
    await vi.waitFor(() => expect(link.state).toBe("connected"), { interval: 20, timeout: 2_000 });
    expect(link.status().server).toBe(`127.0.0.1:${server.port}`);
  });

  test("O4 O50 flaps behind a proxy that accepts and closes; that is slowed down and spends the budget", async () => {
    let accepted = 0;
    await using server = await startNatsServer(plain);
    const port = await freePort();
    const flapping = createServer((socket) => {
      accepted++;
      socket.on("error", () => undefined);
      socket.destroy();
    });
    const link = await connectedLink([server.url, `nats://127.0.0.1:${port}`], {
      maxReconnectAttempts: 5,
      reconnectWaitMs: 40,
      reconnectProbeMs: 10,
    });
    flapping.listen(port, "127.0.0.1");
    await server.kill();
    const reason = await link.gaveUp;
    expect(reason.message).toContain("after 5 attempts in a row");
    // The open door is no reason to hurry: one knock at it is one more accept, at most, for each interval.
    expect(accepted).toBeGreaterThanOrEqual(4);
    flapping.close();
    await link.close();
  });

  test("R1 O3 whose user is refused over and over is made again with what is given back, by a new client", async () => {
    const config = (password: string): string => `authorization { user: a, password: ${password} }`;
    await using server = await startNatsServer({ ...plain, config: config("one") });
    let password = "one";
    await using link = await connectedLink(server.url, {
      auth: () => ({ mode: "userpass", username: "a", password }),
      reconnectWaitMs: 20,
      reconnectMaxWaitMs: 200,
    });
    const connection = await link.connection();
    await server.writeConfig(config("two"));
    await server.reload();
    // The library is closed for good by the first refusal; two more come from clients of their own.
    await connection.closed();
    await vi.waitFor(() => expect(link.status().failedAttempts).toBeGreaterThan(2), patient);
    expect(link.status().lastError).toContain("AUTHORIZATION_VIOLATION");
    password = "two";
    await vi.waitFor(() => expect(link.state).toBe("connected"), patient);
    expect(await link.connection()).not.toBe(connection);
    password = "one";
    await server.writeConfig(config("one"));
    await server.reload();
    await vi.waitFor(() => expect(link.status().reconnects).toBe(2), patient);
    await (await link.connection()).flush();
  });
});
