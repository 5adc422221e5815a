import { connect, credsAuthenticator, StringCodec, type ConnectionOptions } from "nats";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { makeOperator, makeTlsFiles } from "../support/credentials.ts";
import { startNatsCluster } from "../support/nats-cluster.ts";
import { serverVersionAtLeast, startNatsServer } from "../support/nats-server.ts";
import { readInfo } from "../support/ports.ts";

// Every other integration test rests on these launchers and credentials.

const codec = StringCodec();

async function putAndGet(options: ConnectionOptions): Promise<string | undefined> {
  const connection = await connect({ reconnect: false, ...options });
  try {
    const bucket = await connection.jetstream().views.kv("users");
    await bucket.put("alice", codec.encode("admin"));
    return (await bucket.get("alice"))?.string();
  } finally {
    await connection.close();
  }
}

describe("a real server", () => {
  test("keeps a bucket over an orderly restart and over a kill", async () => {
    await using server = await startNatsServer();
    expect(await putAndGet({ servers: server.url })).toBe("admin");
    expect(serverVersionAtLeast(server, "2.9.0")).toBe(true);
    const { port } = server;
    for (const restart of [
      () => server.restart(),
      () => server.kill().then(() => server.start()),
    ]) {
      await restart();
      expect(server.port).toBe(port);
      const connection = await connect({ servers: server.url });
      const bucket = await connection.jetstream().views.kv("users", { bindOnly: true });
      expect((await bucket.get("alice"))?.string()).toBe("admin");
      await connection.close();
    }
  });

  test("is gone with its directory after stop", async () => {
    const server = await startNatsServer({ jetstream: false });
    expect((await readInfo(server.port))?.jetstream).toBe(false);
    const { pid } = server;
    await server.stop();
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(existsSync(server.dir)).toBe(false);
    expect(await readInfo(server.port)).toBeUndefined();
  });

  test("answers nothing while paused", async () => {
    await using server = await startNatsServer();
    server.pause();
    expect(await readInfo(server.port, "127.0.0.1", 300)).toBeUndefined();
    server.resume();
    expect(await readInfo(server.port, "127.0.0.1", 5_000)).toBeDefined();
    server.pause();
    await server.stop();
    expect(server.running).toBe(false);
  });

  test("takes a new configuration by reload, and says when it's refused", async () => {
    const user = (name: string): string =>
      `authorization { users: [{ user: ${name}, password: secret }] }`;
    await using server = await startNatsServer({ config: user("one") });
    await (await connect({ servers: server.url, user: "one", pass: "secret" })).close();
    await server.writeConfig(user("two"));
    await server.reload();
    await (await connect({ servers: server.url, user: "two", pass: "secret" })).close();
    await expect(
      connect({ servers: server.url, user: "one", pass: "secret", reconnect: false }),
    ).rejects.toThrow(/authorization/i);
    await server.writeConfig("authorization {");
    await expect(server.reload()).rejects.toThrow("Failed to reload");
  });

  test("reports a configuration it can't start with", async () => {
    await expect(startNatsServer({ config: "nonsense {" })).rejects.toThrow(/did not start/);
  });

  test("compares versions by number", () => {
    expect(serverVersionAtLeast({ version: "2.9.10" }, "2.11.0")).toBe(false);
    expect(serverVersionAtLeast({ version: "2.15.2" }, "2.11.0")).toBe(true);
    expect(serverVersionAtLeast({ version: "2.11.0-RC.1" }, "2.11.0")).toBe(true);
  });
});

describe("a cluster", () => {
  test("serves a bucket with three copies after one node was killed", async () => {
    await using cluster = await startNatsCluster(3);
    const connection = await connect({ servers: cluster.urls });
    const bucket = await connection.jetstream().views.kv("users", { replicas: 3 });
    await bucket.put("alice", codec.encode("admin"));
    await connection.close();
    await cluster.nodes[0]!.kill();
    const rest = await connect({ servers: cluster.urls.slice(1), timeout: 10_000 });
    await expect
      .poll(
        async () => {
          const again = await rest.jetstream().views.kv("users", { bindOnly: true });
          return (await again.get("alice"))?.string();
        },
        { timeout: 30_000 },
      )
      .toBe("admin");
    await rest.close();
    await cluster.nodes[0]!.start();
    // An election alone can take nine seconds.
  }, 90_000);
});

describe("credentials made for a test", () => {
  test("TLS with the authority only", async () => {
    await using files = await makeTlsFiles();
    await using server = await startNatsServer({
      tls: { certFile: files.serverCertFile, keyFile: files.serverKeyFile },
    });
    const servers = `tls://127.0.0.1:${server.port}`;
    expect(await putAndGet({ servers, tls: { caFile: files.caFile } })).toBe("admin");
    await expect(putAndGet({ servers, tls: {} })).rejects.toThrow(/certificate/i);
  });

  test("mutual TLS", async () => {
    await using files = await makeTlsFiles();
    await using server = await startNatsServer({
      tls: {
        certFile: files.serverCertFile,
        keyFile: files.serverKeyFile,
        caFile: files.caFile,
        verify: true,
      },
    });
    const servers = `tls://localhost:${server.port}`;
    const tls = {
      caFile: files.caFile,
      certFile: files.clientCertFile,
      keyFile: files.clientKeyFile,
    };
    expect(await putAndGet({ servers, tls })).toBe("admin");
    // The server closes the connection right after its alert; the client may see either first.
    await expect(putAndGet({ servers, tls: { caFile: files.caFile } })).rejects.toThrow(
      /certificate|ECONNRESET|EPIPE|CONNECTION_CLOSED/i,
    );
  });

  test("a creds file of an account with JetStream", async () => {
    const operator = await makeOperator();
    await using server = await startNatsServer({ config: operator.config });
    const { creds } = await operator.addUser("app");
    const authenticator = credsAuthenticator(new TextEncoder().encode(creds));
    expect(await putAndGet({ servers: server.url, authenticator })).toBe("admin");
    await expect(putAndGet({ servers: server.url })).rejects.toThrow(/authorization/i);
  });

  test("a user who may not create streams", async () => {
    const operator = await makeOperator();
    await using server = await startNatsServer({ config: operator.config });
    const { creds } = await operator.addUser("reader", {
      pub: { deny: ["$JS.API.STREAM.CREATE.>"] },
    });
    const authenticator = credsAuthenticator(new TextEncoder().encode(creds));
    await expect(putAndGet({ servers: server.url, authenticator })).rejects.toThrow(/permission/i);
  });
});
