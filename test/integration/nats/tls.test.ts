import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { isBridgeError } from "../../../src/errors.ts";
import type { NatsTls } from "../../../src/nats/credentials.ts";
import { makeTlsFiles, type TlsFiles } from "../../support/credentials.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { answered, connectedLink, expectNoSecret, KeepingLogger, linkTo } from "./link-kit.ts";

let files: TlsFiles;
let stranger: TlsFiles;
let server: NatsServer;
let mutual: NatsServer;
let plain: NatsServer;

beforeAll(async () => {
  [files, stranger] = await Promise.all([makeTlsFiles(), makeTlsFiles()]);
  const tls = { certFile: files.serverCertFile, keyFile: files.serverKeyFile };
  [server, mutual, plain] = await Promise.all([
    startNatsServer({ tls, jetstream: false }),
    startNatsServer({ tls: { ...tls, caFile: files.caFile, verify: true }, jetstream: false }),
    startNatsServer({ jetstream: false }),
  ]);
});
afterAll(async () => {
  await Promise.all([server.stop(), mutual.stop(), plain.stop()]);
  await Promise.all([files, stranger].map((made) => made[Symbol.asyncDispose]()));
});

async function failure(url: string, tls?: NatsTls): Promise<unknown> {
  const logger = new KeepingLogger();
  await using link = linkTo(url, { tls, connectTimeoutMs: 1_000, logger });
  const error: unknown = await link.start().catch((thrown: unknown) => thrown);
  expectNoSecret(["PRIVATE KEY"], error, link.status(), logger.lines);
  return error;
}

describe("a connection with TLS", () => {
  test("N32 needs no more than the authority's certificate", async () => {
    await using link = await connectedLink(server.url, { tls: { caFile: files.caFile } });
    expect(await answered(link)).toBe("answered");
  });

  test.each(["127.0.0.1", "localhost"])("N32 is made by a tls:// address of %s", async (host) => {
    const url = `tls://${host}:${server.port}`;
    await using link = await connectedLink(url, { tls: { caFile: files.caFile } });
    expect(await answered(link)).toBe("answered");
  });

  test("N32 proves the client where the server asks for that", async () => {
    const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = files;
    await using link = await connectedLink(mutual.url, { tls: { caFile, certFile, keyFile } });
    expect(await answered(link)).toBe("answered");
  });

  test("N32 accepts any certificate with tls_insecure, and only then", async () => {
    await using link = await connectedLink(server.url, { tls: { insecure: true } });
    expect(await answered(link)).toBe("answered");
    expect(await failure(server.url, {})).toMatchObject({ code: "NATS_UNREACHABLE" });
    expect(await failure(server.url, { insecure: false })).toMatchObject({
      code: "NATS_UNREACHABLE",
    });
  });
});

describe("a connection with TLS is refused", () => {
  const remedy =
    "check plugins.nats.tls_ca_cert, tls_cert and tls_key, and that the server offers TLS.";

  test("N32 by a server whose authority isn't known", async () => {
    for (const tls of [undefined, {}]) {
      expect(await failure(server.url, tls)).toMatchObject({
        code: "NATS_UNREACHABLE",
        message: `TLS with the NATS server at ${server.url} failed (unable to verify the first certificate); ${remedy}`,
      });
    }
    expect(await failure(server.url, { caFile: stranger.caFile })).toMatchObject({
      code: "NATS_UNREACHABLE",
      message: expect.stringContaining(`TLS with the NATS server at ${server.url} failed (`),
    });
  });

  test("N32 by a server that asks for the client's certificate", async () => {
    const error = await failure(mutual.url, { caFile: files.caFile });
    // What the library sees of the server's alert depends on which of the two is faster.
    expect(error).toMatchObject({
      code: "NATS_UNREACHABLE",
      message: expect.stringMatching(
        /asks for a client's certificate, tls_cert and tls_key|alert certificate required|alert bad certificate|ECONNRESET|EPIPE/,
      ),
    });
    expect(String(error)).not.toContain("record");
  });

  test("N32 and never downgraded where the server has none", async () => {
    for (const url of [plain.url, plain.url.replace("nats:", "tls:")]) {
      expect(await failure(url, { caFile: files.caFile })).toMatchObject({
        code: "NATS_UNREACHABLE",
        message: `TLS with the NATS server at ${url} failed (the server does not offer TLS); ${remedy}`,
      });
    }
    const tls = plain.url.replace("nats:", "tls:");
    expect(await failure(tls)).toMatchObject({ code: "NATS_UNREACHABLE" });
    expect(await failure(plain.url, { insecure: true })).toMatchObject({
      code: "NATS_UNREACHABLE",
    });
  });

  test("N32 where the certificate is of another host, also for an IP address", async () => {
    await using elsewhere = await makeTlsFiles("client", [{ type: "dns", value: "localhost" }]);
    const tls = { certFile: elsewhere.serverCertFile, keyFile: elsewhere.serverKeyFile };
    await using other = await startNatsServer({ tls, jetstream: false });
    const { caFile } = elsewhere;
    await using link = await connectedLink(`nats://localhost:${other.port}`, { tls: { caFile } });
    expect(await answered(link)).toBe("answered");
    expect(await failure(other.url, { caFile })).toMatchObject({
      code: "NATS_UNREACHABLE",
      message: expect.stringContaining("IP: 127.0.0.1 is not in the cert's list"),
    });
  });

  test("N32 where a file can't be read or used, with its key named", async () => {
    const missing = join(files.dir, "missing.pem");
    const garbage = join(files.dir, "garbage.pem");
    await writeFile(garbage, "garbage");
    const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = files;
    const cases: [NatsTls, string][] = [
      [{ caFile: missing }, "tls_ca_cert: the file"],
      [{ caFile, certFile: missing, keyFile }, "tls_cert: the file"],
      [{ caFile, certFile, keyFile: missing }, "tls_key: the file"],
      [{ caFile: garbage }, "tls_ca_cert: the file"],
      [{ caFile, certFile: garbage, keyFile }, "tls_cert: the file"],
      [{ caFile, certFile, keyFile: garbage }, "tls_key: the file"],
      [{ caFile, certFile, keyFile: stranger.clientKeyFile }, "private key of tls_cert"],
    ];
    for (const [tls, part] of cases) {
      expect(await failure(mutual.url, tls)).toMatchObject({
        code: "NATS_CREDENTIALS",
        message: expect.stringContaining(part),
      });
    }
  });
});

test("N32 certificates that are replaced while the bridge runs are used at the next connect", async () => {
  const caFile = join(files.dir, "rotating-ca.pem");
  await copyFile(files.caFile, caFile);
  await using renewed = await makeTlsFiles();
  await using rotating = await startNatsServer({
    tls: {
      certFile: join(files.dir, "rotating.pem"),
      keyFile: join(files.dir, "rotating-key.pem"),
    },
    jetstream: false,
    ...(await copyPair(files)),
  });
  await using link = await connectedLink(rotating.url, { tls: { caFile } });
  await copyFile(renewed.caFile, caFile);
  await copyPair(renewed);
  await rotating.restart();
  await vi.waitFor(() => expect(link.status().reconnects).toBe(1), 10_000);
  expect(await answered(link)).toBe("answered");
  // And the old authority's certificate would not do any more.
  const old = linkTo(rotating.url, { tls: { caFile: files.caFile } });
  expect(isBridgeError(await old.start().catch((e: unknown) => e), "NATS_UNREACHABLE")).toBe(true);

  async function copyPair(from: TlsFiles): Promise<object> {
    await copyFile(from.serverCertFile, join(files.dir, "rotating.pem"));
    await copyFile(from.serverKeyFile, join(files.dir, "rotating-key.pem"));
    return {};
  }
});
