import { ErrorCode, NatsError } from "nats";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";

/** What the client library threw about the connection, as an error of the bridge. */
export function connectionError(error: unknown, servers: readonly string[]): BridgeError {
  if (isBridgeError(error)) return error;
  const where = servers.join(", ");
  const code = error instanceof NatsError ? error.code : (error as NodeJS.ErrnoException)?.code;
  const cause = { cause: error };
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
    case ErrorCode.Tls:
    case ErrorCode.ServerOptionNotAvailable:
      return new BridgeError(
        "NATS_UNREACHABLE",
        `TLS with the NATS server at ${where} failed (${messageOf(error)}); check tls_ca_cert, tls_cert and tls_key, and that the server offers TLS.`,
        cause,
      );
    default:
      return new BridgeError(
        "NATS_UNREACHABLE",
        `No NATS server could be reached at ${where} (${messageOf(error)}); check plugins.nats.server_url, and that nats-server runs there.`,
        cause,
      );
  }
}

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
  switch (nats?.code) {
    case ErrorCode.NoResponders:
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
      return new BridgeError("NATS_CLOSED", `The connection to NATS is closed.`, cause);
    default:
      return new BridgeError(
        "BUCKET_STREAM_ENDED",
        `Bucket ${name} can't be followed: ${messageOf(error)}`,
        cause,
      );
  }
}
