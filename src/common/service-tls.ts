import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as tls from "node:tls";
import { messageOf, quote } from "../errors.ts";

/** How a service and its client prove to each other who they are. File names are absolute. */
export interface TlsFiles {
  /** The authority of the service's certificate. Default: those that Node knows. */
  readonly caFile?: string | undefined;
  /** Whether the authorities that Node knows count beside that one. */
  readonly systemCa?: boolean | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly passphrase?: Hidden | undefined;
  /** Whether any certificate is accepted. */
  readonly insecure: boolean;
}

/** A secret that no log shows by accident. */
export interface Hidden {
  reveal(): string;
}

/** Why a service can't be asked, and what helps. Neither holds a secret. */
export class ServiceProblem extends Error {
  readonly remedy: string;

  constructor(why: string, remedy: string, options?: ErrorOptions) {
    super(why, options);
    this.remedy = remedy;
  }
}

/** What the files hold, in PEM. */
export interface Pems {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Reads the files as they are now. Rejects with a {@link ServiceProblem}. */
export async function readPems(files: TlsFiles): Promise<Pems> {
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.certFile, files.keyFile].map(async (file) =>
      file === undefined ? undefined : await readServiceFile(file),
    ),
  );
  return { ca, cert, key };
}

export function arePemsEqual(a: Pems, b: Pems): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}

/** Reads a file that `services` names. Rejects with a {@link ServiceProblem}. */
export async function readServiceFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = `the file ${quote(file)} can't be read (${code ?? "unknown error"})`;
    throw new ServiceProblem(why, "check the path and its permissions", { cause: error });
  }
}

/** What connections to a service are made with. Throws a {@link ServiceProblem} for what can't be used. */
export function secureContextOf(
  service: string,
  files: TlsFiles,
  { ca, cert, key }: Pems,
): tls.SecureContext {
  const at = `services.${service}`;
  const mine = `${at}.credentials.client_tls`;
  if (ca !== undefined) {
    usable(files.caFile, "a certificate", `check ${at}.tls.ca_cert`, () => new X509Certificate(ca));
  }
  if (cert !== undefined) {
    const use = (): unknown => tls.createSecureContext({ cert });
    usable(files.certFile, "a certificate", `check ${mine}.cert`, use);
  }
  const isEncrypted = files.passphrase !== undefined;
  const what = `the key of ${quote(files.certFile ?? "")}, ${isEncrypted ? "encrypted with the passphrase that is given" : "without a passphrase"},`;
  return usable(files.keyFile, what, `check ${mine}.private_key and private_key_passphrase`, () =>
    tls.createSecureContext({
      ...(ca !== undefined && { ca: authorities(ca, files.systemCa === true) }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(files.passphrase && { passphrase: files.passphrase.reveal() }),
    }),
  );
}

/** An authority, and, when asked for, those that Node trusts (before 22.15: without what it was given at its start). */
export function authorities(ca: string, withKnown: boolean): string[] {
  if (!withKnown) return [ca];
  const { getCACertificates } = tls as typeof tls & {
    getCACertificates?: (type: "default") => string[];
  };
  return [...(getCACertificates?.("default") ?? tls.rootCertificates), ca];
}

/** OpenSSL's reason helps nobody, and the content of a key is never shown. */
function usable<T>(file: string | undefined, what: string, remedy: string, use: () => T): T {
  try {
    return use();
  } catch {
    const why = `the file ${quote(file ?? "")} does not hold ${what} in PEM format`;
    throw new ServiceProblem(why, remedy);
  }
}

const EXPIRED = /^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/;
const OTHER_NAME = /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/;
const UNTRUSTED =
  /^(?:CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_)/;
/** How a service refuses a client for want of a certificate, or for the one that it shows. */
const NOT_LET_IN = /alert (?:certificate|bad certificate|unsupported certificate|unknown ca)/i;
/** How some do so, and others for quite different reasons. */
const TURNED_AWAY = /alert (?:handshake failure|access denied)/i;
const HUNG_UP: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);

/** What a connection by TLS has failed of, and what helps; the error itself where that is not TLS's affair. */
export function tlsProblem(error: unknown, service: string, files: TlsFiles | undefined): unknown {
  if (error instanceof ServiceProblem) return error;
  const { code = "" } = (error ?? {}) as { code?: string };
  const words = reasonOf(error);
  const at = `services.${service}`;
  const mine = `${at}.credentials.client_tls`;
  const problem = (remedy: string): ServiceProblem =>
    new ServiceProblem(words, remedy, { cause: error });
  if (EXPIRED.test(code)) return problem("renew the service's certificate, or set the clock");
  if (OTHER_NAME.test(code)) {
    return problem(`ask for a host that the service's certificate names, in ${at}.url`);
  }
  if (UNTRUSTED.test(code)) {
    return problem(`give the authority of the service's certificate as ${at}.tls.ca_cert`);
  }
  const isKnown = files?.certFile !== undefined;
  if (NOT_LET_IN.test(words)) {
    return problem(
      isKnown
        ? `the service does not accept the certificate of ${mine}; give one that it does`
        : `the service wants a client's certificate; give ${mine}`,
    );
  }
  if (HUNG_UP.has(code) || TURNED_AWAY.test(words)) {
    return problem(
      isKnown
        ? `check the service, and that it accepts the certificate of ${mine}`
        : `check the service; where it wants a client's certificate, give ${mine}`,
    );
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return problem(`check that the service speaks TLS there, or correct ${at}.url`);
  }
  return error;
}

/** OpenSSL's messages are full of places in its source code; their reason is what matters. */
function reasonOf(error: unknown): string {
  const { reason } = (error ?? {}) as { reason?: unknown };
  if (typeof reason === "string") return reason;
  const message = messageOf(error);
  return /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? message;
}
