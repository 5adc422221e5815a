import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { Server } from "node:https";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { FastifyInstance } from "fastify";
import type { Logger } from "../../common/logger.ts";
import type { AccessConfig } from "../../config/types.ts";
import { BridgeError, messageOf, quote } from "../../errors.ts";

/** How long a change of the files may go unnoticed, in milliseconds. */
const LOOK_AGAIN_MS = 1_000;

/** The certificate that the service shows, and whether clients must show one of the authority's. */
export interface ServerTls extends SecureContextOptions {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  readonly minVersion: "TLSv1.2";
}

/** The options of a server for HTTPS, with the files read. Rejects with `CONFIG_INVALID`. */
export async function tlsOf({
  tls,
  authentication,
}: Partial<AccessConfig>): Promise<ServerTls | undefined> {
  if (tls === undefined) return undefined;
  const demanded = authentication === "tls";
  const options: ServerTls = {
    cert: await pem("cert_file", tls.certFile),
    key: await pem("private_key_file", tls.keyFile),
    ...(tls.caFile !== undefined && { ca: await authorities(tls.caFile) }),
    requestCert: demanded,
    rejectUnauthorized: demanded,
    minVersion: "TLSv1.2",
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new BridgeError(
      "CONFIG_INVALID",
      `The files of server.tls, ${quote(tls.certFile)} and ${quote(tls.keyFile)}, are not a certificate and its key (${messageOf(error)}).`,
      { cause: error },
    );
  }
  return options;
}

const CERTIFICATE =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** The authorities of a file. OpenSSL passes over what is none in silence, and then lets nobody in. */
async function authorities(file: string): Promise<string[]> {
  const found = (await pem("ca_cert_file", file)).toString("latin1").match(CERTIFICATE) ?? [];
  try {
    const readable = found.map((text) => new X509Certificate(text));
    if (readable.length > 0) return found;
  } catch {
    // As useless as a file without any.
  }
  throw new BridgeError(
    "CONFIG_INVALID",
    `The file of server.tls.ca_cert_file, ${quote(file)}, must have certificates in PEM, and has ${found.length === 0 ? "none" : "one that can't be read"}.`,
  );
}

/**
 * Reads certificate, key and authority again when one of the files has changed, for the connections from then on.
 * Files that can't be used, or don't belong together, leave the last ones in use.
 */
export function followCertificates(
  app: FastifyInstance,
  config: Partial<AccessConfig>,
  logger: Logger,
): void {
  if (config.tls === undefined) return;
  const { certFile, keyFile, caFile } = config.tls;
  const files = [certFile, keyFile, ...(caFile === undefined ? [] : [caFile])];
  let seen: string | undefined;
  const look = async (): Promise<void> => {
    const stamp = await stampOf(files);
    if (stamp === seen) return;
    const isFirst = seen === undefined;
    seen = stamp;
    // What was read for the start may be older than what is there by now.
    try {
      const tls = (await tlsOf(config))!;
      (app.server as unknown as Server).setSecureContext(tls);
      if (!isFirst) logger.info({}, "the service's certificate was read again");
    } catch (error) {
      logger.error(
        {},
        `the service's certificate has changed and can't be used, so the last one stays: ${messageOf(error)}`,
      );
    }
  };
  let looking = look();
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, LOOK_AGAIN_MS).unref();
  app.addHook("onClose", async () => clearInterval(timer));
}

async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map(async (file) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      return [ino, size, mtimeNs, ctimeNs].join(" ");
    } catch {
      return "missing";
    }
  });
  return (await Promise.all(stamps)).join(", ");
}

async function pem(key: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new BridgeError(
      "CONFIG_INVALID",
      `The file of server.tls.${key}, ${quote(file)}, can't be read (${messageOf(error)}).`,
      { cause: error },
    );
  }
}
