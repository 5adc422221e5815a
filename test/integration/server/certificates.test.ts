import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { describe, expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { silentLogger } from "../../../src/common/logger.ts";
import { type ServerOptions, startServer } from "../../../src/server/server.ts";
import { makeTlsFiles, type TlsFiles } from "../../support/credentials.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { API } from "./service.ts";

const DEADLINE = { timeout: 15_000, interval: 50 };

/** Asks over a connection of its own; the answer's status, or that there was none. */
function ask(
  url: string,
  { ca }: Pick<TlsFiles, "ca">,
  more: RequestOptions = {},
): Promise<number | "refused"> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/health`, { ca, agent: false, ...more }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode!));
    });
    asking.on("error", (error) => {
      if (/alert|reset|hang up|certificate|issuer|EPIPE/i.test(String(error))) resolve("refused");
      else reject(error);
    });
    asking.end();
  });
}

/** A service whose files can be replaced, and what it complains of. */
async function startSecure(
  nats: NatsServer,
  files: Readonly<Record<"cert" | "key" | "ca", string>>,
  options: Partial<ServerOptions> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "certificates-"));
  const fileOf = (name: keyof typeof files): string => join(folder, `${name}.pem`);
  const replace = (name: keyof typeof files, from: string): Promise<void> =>
    copyFile(from, fileOf(name));
  for (const name of ["cert", "key", "ca"] as const) await replace(name, files[name]);
  const messages: string[] = [];
  const error = (_details: object, message: string): void => void messages.push(message);
  const bridge = await createBridge({ nats: { server_url: nats.url }, bundle: { file: API } });
  const starting = startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
    tls: { certFile: fileOf("cert"), keyFile: fileOf("key"), caFile: fileOf("ca") },
    logger: { ...silentLogger, error },
    ...options,
  });
  const server = await starting.catch(async (error: unknown) => {
    await bridge.close();
    await rm(folder, { recursive: true });
    throw error;
  });
  return {
    url: server.url,
    fileOf,
    replace,
    messages,
    complained: (times: number): Promise<void> =>
      vi.waitFor(() => {
        expect(messages.filter((message) => message.includes("can't be used"))).toHaveLength(times);
      }, DEADLINE),
    async [Symbol.asyncDispose]() {
      await server.close();
      await bridge.close();
      await rm(folder, { recursive: true });
    },
  };
}

it("a certificate is read again when its files have changed; what can't be used leaves the last one in use", async () => {
  await using nats = await startNatsServer();
  await using first = await makeTlsFiles();
  await using second = await makeTlsFiles();
  const { serverCertFile: cert, serverKeyFile: key, caFile: ca } = first;
  await using service = await startSecure(nats, { cert, key, ca });
  const { url, messages, complained } = service;
  expect(await ask(url, first)).toBe(200);
  expect(await ask(url, second)).toBe("refused");

  // A new certificate whose key has not come yet, and then a file that is no key at all.
  await service.replace("cert", second.serverCertFile);
  await complained(1);
  expect(await ask(url, first)).toBe(200);
  const noKey = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";
  await writeFile(service.fileOf("key"), noKey);
  await complained(2);
  expect(await ask(url, first)).toBe(200);
  expect(messages.join()).not.toContain("secret");

  await service.replace("key", second.serverKeyFile);
  await vi.waitFor(async () => expect(await ask(url, second)).toBe(200), DEADLINE);
  expect(await ask(url, first)).toBe("refused");

  await rm(service.fileOf("cert"));
  await complained(3);
  expect(await ask(url, second)).toBe(200);
}, 120_000);

describe("the authority of the clients' certificates", () => {
  const clientOf = async ({
    clientCertFile,
    clientKeyFile,
  }: TlsFiles): Promise<RequestOptions> => ({
    cert: await readFile(clientCertFile),
    key: await readFile(clientKeyFile),
  });

  it("is read again when its file has changed: from then on its clients are let in, and those of the one before are not", async () => {
    await using nats = await startNatsServer();
    await using first = await makeTlsFiles("one");
    await using second = await makeTlsFiles("two");
    const { serverCertFile: cert, serverKeyFile: key, caFile: ca } = first;
    const options = { authentication: "tls" } as const;
    await using service = await startSecure(nats, { cert, key, ca }, options);
    const [one, two] = [await clientOf(first), await clientOf(second)];
    const answersOf = async (): Promise<unknown[]> => [
      await ask(service.url, first, one),
      await ask(service.url, first, two),
      await ask(service.url, first, {}),
    ];
    expect(await answersOf()).toEqual([200, "refused", "refused"]);

    // Both, while clients get their new certificates.
    await writeFile(service.fileOf("ca"), first.ca.trimEnd() + "\n" + second.ca);
    await vi.waitFor(
      async () => expect(await answersOf()).toEqual([200, 200, "refused"]),
      DEADLINE,
    );
    const session = await sessionOf(service.url, { ca: first.ca, ...one });
    const resumed = { ...one, session };
    expect(await ask(service.url, first, resumed)).toBe(200);

    await service.replace("ca", second.caFile);
    await vi.waitFor(
      async () => expect(await answersOf()).toEqual(["refused", 200, "refused"]),
      DEADLINE,
    );
    // A session of before is no way in.
    expect(await ask(service.url, first, resumed)).toBe("refused");
  }, 120_000);

  it("stays when its file can't be used", async () => {
    await using nats = await startNatsServer();
    await using first = await makeTlsFiles("one");
    const { serverCertFile: cert, serverKeyFile: key, caFile: ca } = first;
    const options = { authentication: "tls" } as const;
    await using service = await startSecure(nats, { cert, key, ca }, options);
    const one = await clientOf(first);
    const useless = [
      "",
      "no certificate at all",
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      `${first.ca}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    ];
    for (const [index, text] of useless.entries()) {
      await writeFile(service.fileOf("ca"), text);
      await service.complained(index + 1);
      expect(await ask(service.url, first, one)).toBe(200);
      expect(await ask(service.url, first)).toBe("refused");
    }
    await rm(service.fileOf("ca"));
    await service.complained(useless.length + 1);
    expect(await ask(service.url, first, one)).toBe(200);
  }, 120_000);

  it("must be one for the service to start, as must the certificate and its key", async () => {
    await using nats = await startNatsServer();
    await using first = await makeTlsFiles();
    await using second = await makeTlsFiles();
    const { serverCertFile: cert, serverKeyFile: key, caFile: ca } = first;
    for (const [files, part] of [
      [{ cert, key, ca: key }, "server.tls.ca_cert_file"],
      [{ cert, key: second.serverKeyFile, ca }, "are not a certificate and its key"],
      [{ cert, key: cert, ca }, "are not a certificate and its key"],
      [{ cert: key, key, ca }, "are not a certificate and its key"],
    ] as const) {
      await expect(startSecure(nats, files, { authentication: "tls" })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringContaining(part) as string,
      });
    }
  });
});

/** A session that the server gives to a client for its next connection. */
function sessionOf(
  url: string,
  options: Pick<ConnectionOptions, "ca" | "cert" | "key">,
): Promise<Buffer> {
  const { hostname: host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...options, host, port: Number(port) });
    socket.on("error", reject);
    // Servers of TLS 1.3 give it after the handshake.
    socket.once("session", (session) => {
      resolve(session);
      socket.destroy();
    });
    socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  });
}
