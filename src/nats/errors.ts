import { ErrorCode, NatsError } from "nats";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";

/** Codes of Node and OpenSSL that tell of a failed handshake or of a certificate that was not accepted. */
const TLS_CODE =
  /^(ERR_(SSL|TLS|OSSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)/;

/**
 * What the client library threw about the connection, as an error of the bridge. `anonymousTls` tells that TLS
 * was used without a certificate of the client: when the server wants one, the library only sees silence.
 */
export function connectionError(
  error: unknown,
  servers: readonly string[],
  anonymousTls = false,
): BridgeError {
  if (isBridgeError(error)) return error;
  const where = servers.join(", ");
  const code = error instanceof NatsError ? error.code : (error as NodeJS.ErrnoException)?.code;
  const cause = { cause: error };
  if (code === ErrorCode.Tls || code === ErrorCode.ServerOptionNotAvailable || isTlsCode(code)) {
    return new BridgeError(
      "NATS_UNREACHABLE",
      `TLS with the NATS server at ${where} failed (${reasonOf(error)}); check plugins.nats.tls_ca_cert, tls_cert and tls_key, and that the server offers TLS.`,
      cause,
    );
  }
  switch (code) {
    case ErrorCode.AuthorizationViolation:
    case ErrorCode.AuthenticationExpired:
    case ErrorCode.AuthenticationTimeout:
    case ErrorCode.AccountExpired:
    case ErrorCode.BadAuthentication:
      return new BridgeError(
        "NATS_AUTH",
        `The NATS server at ${where} refused the credentials (${code}); check the auth keys of plugins.nats.`,
        cause,
      );
    case ErrorCode.Timeout: {
      const hint = anonymousTls
        ? " and, where the server asks for a client's certificate, tls_cert and tls_key"
        : "";
      return new BridgeError(
        "NATS_UNREACHABLE",
        `The NATS server at ${where} did not answer within plugins.nats.connect_timeout; check plugins.nats.server_url${hint}, or raise the timeout.`,
        cause,
      );
    }
    default:
      return new BridgeError(
        "NATS_UNREACHABLE",
        `No NATS server could be reached at ${where} (${reasonOf(error)}); check plugins.nats.server_url, and that nats-server runs there.`,
        cause,
      );
  }
}

function isTlsCode(code: unknown): boolean {
  return typeof code === "string" && TLS_CODE.test(code);
}

/** Why there is no connection, in words; the library often gives no more than a code. */
function reasonOf(error: unknown): string {
  const code = (error as NatsError | undefined)?.code;
  if (code === ErrorCode.ServerOptionNotAvailable) return "the server does not offer TLS";
  const { chainedError } = (error ?? {}) as NatsError;
  const source = chainedError ?? error;
  // OpenSSL's messages are full of places in its source code; their reason is what matters.
  const { reason } = (source ?? {}) as { reason?: unknown };
  return typeof reason === "string" ? reason : messageOf(source).trim();
}

/** The server's error codes for JetStream that is off: for the account, and for the server. */
const NOT_ENABLED = new Set([10039, 10076]);

/** The server's error codes for a cluster that has no leader, or nobody to put a consumer on, which passes. */
const LEADERLESS = new Set([10005, 10008, 10009]);

/** The server's error code for a stream that has as many consumers as it may. */
const TOO_MANY_CONSUMERS = 10026;

/** What a JetStream request about a bucket was answered, as an error of the bridge. */
export function bucketError(error: unknown, bucket: string): BridgeError {
  if (isBridgeError(error)) return error;
  const name = quote(bucket);
  const cause = { cause: error };
  const nats = error instanceof NatsError ? error : undefined;
  if (nats?.isPermissionError() === true) {
    const { operation, subject } = nats.permissionContext ?? {};
    return new BridgeError(
      "BUCKET_FORBIDDEN",
      `The NATS user may not read bucket ${name}: ${operation ?? "a request"} on ${quote(subject ?? "?")} is not permitted; grant it (README, "Permissions").`,
      cause,
    );
  }
  if (nats?.api_error?.code === 404 || nats?.code === "404") {
    return new BridgeError(
      "BUCKET_NOT_FOUND",
      `There is no KV bucket ${name}; create it with: nats kv add ${bucket}`,
      cause,
    );
  }
  if (LEADERLESS.has(nats?.api_error?.err_code ?? 0)) {
    return new BridgeError(
      "NATS_TIMEOUT",
      `NATS can't answer about bucket ${name} for now (${messageOf(error)}); see to its cluster if that lasts.`,
      cause,
    );
  }
  if (nats?.api_error?.err_code === TOO_MANY_CONSUMERS) {
    return new BridgeError(
      "BUCKET_STREAM_ENDED",
      `Bucket ${name} can't be followed: it has as many consumers as it may (each bridge is one); raise max_consumers of its stream or its account, or where those are not set, from nats-server 2.15 on, jetstream.limits.default_max_consumers (1,000).`,
      cause,
    );
  }
  switch (nats?.code) {
    case ErrorCode.NoResponders:
      // The same code stands for much else.
      if (nats?.api_error !== undefined && !NOT_ENABLED.has(nats.api_error.err_code ?? 0)) break;
      return new BridgeError(
        "JETSTREAM_UNAVAILABLE",
        `JetStream did not answer for bucket ${name}; enable JetStream on the server and for the account.`,
        cause,
      );
    case ErrorCode.Timeout:
      return new BridgeError(
        "NATS_TIMEOUT",
        `NATS did not answer in time about bucket ${name}.`,
        cause,
      );
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
    case ErrorCode.Cancelled:
      // This connection, not the link: there will be another.
      return new BridgeError(
        "BUCKET_STREAM_ENDED",
        `The stream of bucket ${name} had a gap: the connection to NATS was lost.`,
        cause,
      );
    default:
  }
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${name} can't be followed: ${messageOf(error)}`,
    cause,
  );
}

/** The NATS user may read the bucket, but not answer the server's flow control. */
export function flowControlError(bucket: string): BridgeError {
  return new BridgeError(
    "BUCKET_FORBIDDEN",
    `The NATS user may not follow bucket ${quote(bucket)}: publish on "$JS.FC.>" is not permitted, and without it the server stops delivering; grant it (README, "Permissions").`,
  );
}
