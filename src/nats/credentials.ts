import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import {
  type Authenticator,
  credsAuthenticator,
  jwtAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "nats";
import { BridgeError, quote } from "../errors.ts";

/**
 * How the bridge proves who it is to NATS: not at all; by a `.creds` file (user JWT and nkey seed), which is read anew
 * at every connect, so it may be rotated; by a user's JWT and the seed that goes with it; by a token; or by a name and a
 * password.
 */
export type NatsAuth =
  | { readonly mode: "none" }
  | { readonly mode: "creds"; readonly file: string }
  | { readonly mode: "jwt"; readonly jwt: string; readonly seed: string }
  | { readonly mode: "token"; readonly token: string }
  | { readonly mode: "userpass"; readonly username: string; readonly password: string };

/** TLS towards NATS: a CA alone checks the server; certificate and key together also prove the client. */
export interface NatsTls {
  /** Path of the authority (PEM). Default: those that Node knows. */
  readonly caFile?: string | undefined;
  /** Path of the client's certificate (PEM). */
  readonly certFile?: string | undefined;
  /** Path of its key (PEM). */
  readonly keyFile?: string | undefined;
  /** Accept any server certificate. Never the default. */
  readonly insecure?: boolean | undefined;
}

/**
 * The client library's authenticator for a mode; throws `NATS_CREDENTIALS` when its parts can't be used.
 *
 * @internal
 */
export function authenticatorOf(auth: NatsAuth): Authenticator | undefined {
  switch (auth.mode) {
    case "none":
      return undefined;
    case "token":
      return tokenAuthenticator(auth.token);
    case "userpass":
      return usernamePasswordAuthenticator(auth.username, auth.password);
    case "jwt":
      return proven(
        jwtAuthenticator(auth.jwt, new TextEncoder().encode(auth.seed)),
        "user_nkey_seed",
      );
    case "creds":
      return rereading(auth.file);
  }
}

/** Reads the file for every connect; one that is just being replaced, or is spoiled, leaves the last good one in use. */
function rereading(file: string): Authenticator {
  const signWith = (content: Uint8Array): Authenticator => credsAuthenticator(content);
  let current = proven(signWith(readFile(file, "credentials")), "credentials", file);
  return (nonce) => {
    try {
      const renewed = signWith(readFileSync(file));
      const signed = renewed(nonce);
      current = renewed;
      return signed;
    } catch {
      // Thrown from here, an error would make the client library close the connection for good.
      return current(nonce);
    }
  };
}

/** Signs once, so that credentials which can't work are refused before anything is connected. */
function proven(authenticator: Authenticator, key: string, file?: string): Authenticator {
  try {
    authenticator("nonce");
    return authenticator;
  } catch {
    // What the library throws may quote the secret, so it is neither shown nor kept as the cause.
    const where = file === undefined ? "" : ` (${quote(file)})`;
    throw new BridgeError(
      "NATS_CREDENTIALS",
      `plugins.nats.${key}${where} does not hold a usable user JWT and nkey seed; generate it again with nsc.`,
    );
  }
}

/**
 * The client library's TLS options; throws `NATS_CREDENTIALS` when a file can't be read or used.
 * The library reads the files anew at every connect, so they may be rotated.
 */
export function tlsOptionsOf(tls: NatsTls): object {
  const { caFile, certFile, keyFile, insecure } = tls;
  if (caFile !== undefined) {
    usable("tls_ca_cert", caFile, "a certificate", (pem) => new X509Certificate(pem));
  }
  const cert =
    certFile !== undefined
      ? usable("tls_cert", certFile, "a certificate", (pem) => createSecureContext({ cert: pem }))
      : undefined;
  if (keyFile !== undefined) {
    usable("tls_key", keyFile, "the private key of tls_cert, without a passphrase", (pem) =>
      createSecureContext({ key: pem, ...(cert !== undefined && { cert }) }),
    );
  }
  return {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
    ...(insecure === true ? { rejectUnauthorized: false } : { checkServerIdentity: checkIdentity }),
  };
}

/**
 * The library names no host when it dials an IP address, and Node would then check the certificate for
 * "localhost". Node calls this on the options of the connection, which hold its socket.
 */
function checkIdentity(
  this: { servername?: string; socket?: Socket } | undefined,
  host: string,
  certificate: PeerCertificate,
): Error | undefined {
  const dialed = this?.servername || this?.socket?.remoteAddress || host;
  return checkServerIdentity(dialed, certificate);
}

function usable(key: string, file: string, what: string, use: (pem: Buffer) => unknown): Buffer {
  const content = readFile(file, key);
  try {
    use(content);
    return content;
  } catch {
    // OpenSSL's reason helps nobody, and the content of a key is never shown.
    throw new BridgeError(
      "NATS_CREDENTIALS",
      `plugins.nats.${key}: the file ${quote(file)} does not hold ${what} in PEM format; check that it's the right file.`,
    );
  }
}

function readFile(file: string, key: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BridgeError(
      "NATS_CREDENTIALS",
      `plugins.nats.${key}: the file ${quote(file)} can't be read (${code}); check the path and its permissions.`,
    );
  }
}
