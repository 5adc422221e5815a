import { readFileSync } from "node:fs";
import {
  type Authenticator,
  credsAuthenticator,
  jwtAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "nats";
import { BridgeError, quote } from "../errors.ts";

/** How the bridge proves who it is to NATS. */
export type NatsAuth =
  | { readonly mode: "none" }
  /** A `.creds` file (user JWT and nkey seed); read anew at every connect, so it may be rotated. */
  | { readonly mode: "creds"; readonly file: string }
  | { readonly mode: "jwt"; readonly jwt: string; readonly seed: string }
  | { readonly mode: "token"; readonly token: string }
  | { readonly mode: "userpass"; readonly username: string; readonly password: string };

/** TLS towards NATS: a CA alone checks the server; certificate and key together also prove the client. */
export interface NatsTls {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Accept any server certificate. Never the default. */
  readonly insecure?: boolean | undefined;
}

/** The client library's authenticator for a mode; throws `NATS_CREDENTIALS` when its parts can't be used. */
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
    case "creds": {
      const { file } = auth;
      let current = readFile(file, "credentials");
      const reread = (): Uint8Array => {
        try {
          current = readFileSync(file);
        } catch {
          // A file that is just being replaced: the last good one is tried, and the next attempt reads again.
        }
        return current;
      };
      return proven(credsAuthenticator(reread), "credentials", file);
    }
  }
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

/** The client library's TLS options; throws `NATS_CREDENTIALS` when a file can't be read. */
export function tlsOptionsOf(tls: NatsTls): object {
  const { caFile, certFile, keyFile, insecure } = tls;
  return {
    ...(caFile !== undefined && { ca: [readFile(caFile, "tls_ca_cert")] }),
    ...(certFile !== undefined && { cert: readFile(certFile, "tls_cert") }),
    ...(keyFile !== undefined && { key: readFile(keyFile, "tls_key") }),
    ...(insecure === true && { rejectUnauthorized: false }),
  };
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
