import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { expect, it, vi } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { silentLogger } from "../../../src/common/logger.ts";
import { startServer } from "../../../src/server/server.ts";
import { makeTlsFiles, type TlsFiles } from "../../support/credentials.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { API } from "./service.ts";

const DEADLINE = { timeout: 15_000, interval: 50 };

/** Asks as a client that trusts this authority alone. */
function ask(url: string, { ca }: TlsFiles): Promise<{ status: number; serial: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/health`, { ca, agent: false }, (answer) => {
      const { serialNumber } = (answer.socket as TLSSocket).getPeerCertificate();
      answer.resume().on("end", () => {
        resolve({ status: answer.statusCode!, serial: serialNumber });
      });
    });
    asking.on("error", reject);
    asking.end();
  });
}

it("a certificate is read again when its files have changed; what can't be used leaves the last one in use", async () => {
  await using nats = await startNatsServer();
  await using first = await makeTlsFiles();
  await using second = await makeTlsFiles();
  const folder = await mkdtemp(join(tmpdir(), "certificates-"));
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  await copyFile(first.serverCertFile, certFile);
  await copyFile(first.serverKeyFile, keyFile);
  const messages: string[] = [];
  const error = (_details: object, message: string): void => void messages.push(message);
  await using bridge = await createBridge({
    nats: { server_url: nats.url },
    bundle: { file: API },
  });
  const server = await startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
    tls: { certFile, keyFile },
    logger: { ...silentLogger, error },
  });
  try {
    expect((await ask(server.url, first)).status).toBe(200);
    await expect(ask(server.url, second)).rejects.toThrow(/certificate|issuer/);

    // A new certificate whose key has not come yet, and then a file that is no key at all.
    await copyFile(second.serverCertFile, certFile);
    const complaints = (): number =>
      messages.filter((message) => message.includes("can't be used")).length;
    await vi.waitFor(() => expect(complaints()).toBe(1), DEADLINE);
    expect((await ask(server.url, first)).status).toBe(200);
    await writeFile(keyFile, "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n");
    await vi.waitFor(() => expect(complaints()).toBe(2), DEADLINE);
    expect((await ask(server.url, first)).status).toBe(200);
    expect(messages.join()).not.toContain("secret");

    await copyFile(second.serverKeyFile, keyFile);
    await vi.waitFor(
      async () => expect((await ask(server.url, second)).status).toBe(200),
      DEADLINE,
    );
    await expect(ask(server.url, first)).rejects.toThrow(/certificate|issuer/);

    await rm(certFile);
    await vi.waitFor(() => expect(complaints()).toBe(3), DEADLINE);
    expect((await ask(server.url, second)).status).toBe(200);
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}, 60_000);
