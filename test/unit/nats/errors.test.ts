import { ErrorCode, NatsError } from "nats";
import { describe, expect, test } from "vitest";
import { BridgeError } from "../../../src/errors.ts";
import { bucketError, connectionError, flowControlError } from "../../../src/nats/errors.ts";

const servers = ["nats://a:4222", "tls://b:4222"];
const coded = (message: string, code: string, more: object = {}): Error =>
  Object.assign(new Error(message), { code, ...more });
const api = (code: number, err_code: number, description: string): NatsError => {
  const error = new NatsError(description, String(code));
  error.api_error = { code, err_code, description };
  return error;
};

describe("what the library says of the connection", () => {
  test.each([
    ErrorCode.AuthorizationViolation,
    ErrorCode.AuthenticationExpired,
    ErrorCode.AuthenticationTimeout,
    ErrorCode.AccountExpired,
    ErrorCode.BadAuthentication,
  ])("N31 %s is NATS_AUTH", (code) => {
    const cause = NatsError.errorForCode(code);
    expect(connectionError(cause, servers)).toMatchObject({ code: "NATS_AUTH", cause });
  });

  test.each<readonly [string, unknown]>([
    [
      "unable to verify the first certificate",
      coded("unable to verify the first certificate", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    ],
    ["self-signed certificate", coded("self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT")],
    ["certificate has expired", coded("certificate has expired", "CERT_HAS_EXPIRED")],
    [
      "key values mismatch",
      NatsError.errorForCode(
        ErrorCode.Tls,
        coded("error:05800074:x509", "ERR_OSSL_X509_KEY_VALUES_MISMATCH", {
          reason: "key values mismatch",
        }),
      ),
    ],
    [
      "tlsv13 alert certificate required",
      coded("80:error:0A:SSL routines:file.c:1601\n", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", {
        reason: "tlsv13 alert certificate required",
      }),
    ],
    ["the server does not offer TLS", new NatsError("tls", ErrorCode.ServerOptionNotAvailable)],
  ])("N32 is told apart from a server that is not there: %s", (reason, error) => {
    expect(connectionError(error, servers)).toMatchObject({
      code: "NATS_UNREACHABLE",
      message: `TLS with the NATS server at nats://a:4222, tls://b:4222 failed (${reason}); check plugins.nats.tls_ca_cert, tls_cert and tls_key, and that the server offers TLS.`,
    });
  });

  test.each<readonly [string, unknown]>([
    [
      "connect ECONNREFUSED 127.0.0.1:1",
      NatsError.errorForCode(
        ErrorCode.ConnectionRefused,
        coded("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"),
      ),
    ],
    ["getaddrinfo ENOTFOUND a", coded("getaddrinfo ENOTFOUND a", "ENOTFOUND")],
    ["read ECONNRESET", coded("read ECONNRESET", "ECONNRESET")],
    ["unexpected response from server", new Error("unexpected response from server")],
    ["undefined", undefined],
  ])("N34 anything else is a server that can't be reached: %s", (reason, error) => {
    expect(connectionError(error, servers)).toMatchObject({
      code: "NATS_UNREACHABLE",
      message: expect.stringContaining(
        `could be reached at ${servers.join(", ")} (${reason}); check`,
      ),
    });
  });

  test("N32 silence may mean that the server wants a certificate", () => {
    const silence = NatsError.errorForCode(ErrorCode.Timeout);
    expect(connectionError(silence, servers, true).message).toContain("tls_cert and tls_key");
    expect(connectionError(silence, servers).message).not.toContain("tls_cert");
  });

  test("N31 an error of the bridge stays as it is", () => {
    const error = new BridgeError("NATS_CREDENTIALS", "no");
    expect(connectionError(error, servers)).toBe(error);
    expect(bucketError(error, "b")).toBe(error);
  });
});

describe("what the library says of a bucket", () => {
  test.each<readonly [string, unknown]>([
    ["BUCKET_NOT_FOUND", api(404, 10059, "stream not found")],
    ["JETSTREAM_UNAVAILABLE", NatsError.errorForCode(ErrorCode.NoResponders)],
    ["JETSTREAM_UNAVAILABLE", api(503, 10039, "JetStream not enabled for account")],
    ["JETSTREAM_UNAVAILABLE", api(503, 10076, "JetStream not enabled")],
    ["NATS_TIMEOUT", api(503, 10008, "JetStream system temporarily unavailable")],
    ["NATS_TIMEOUT", api(500, 10009, "JetStream cluster can not handle request")],
    ["NATS_TIMEOUT", api(400, 10005, "no suitable peers for placement")],
    ["BUCKET_STREAM_ENDED", api(503, 10023, "insufficient resources")],
    ["NATS_TIMEOUT", NatsError.errorForCode(ErrorCode.Timeout)],
    // A connection is replaced by another, so its end is no end of the bucket's watcher.
    ["BUCKET_STREAM_ENDED", NatsError.errorForCode(ErrorCode.ConnectionClosed)],
    ["BUCKET_STREAM_ENDED", NatsError.errorForCode(ErrorCode.ConnectionDraining)],
    ["BUCKET_STREAM_ENDED", NatsError.errorForCode(ErrorCode.Cancelled)],
    ["BUCKET_STREAM_ENDED", api(400, 10093, "consumer filter subject is not a valid subset")],
    ["BUCKET_STREAM_ENDED", new Error("anything")],
    ["BUCKET_STREAM_ENDED", undefined],
  ])("N72 is %s: %s", (code, cause) => {
    expect(bucketError(cause, "b")).toMatchObject({ code, cause });
  });

  test("N83 names the right that is missing", () => {
    const error = new NatsError("no", ErrorCode.PermissionsViolation);
    expect(bucketError(error, "b").message).toContain('a request on "?" is not permitted');
    error.permissionContext = { operation: "publish", subject: "$JS.API.STREAM.INFO.KV_b" };
    expect(bucketError(error, "b")).toMatchObject({
      code: "BUCKET_FORBIDDEN",
      message: expect.stringContaining('publish on "$JS.API.STREAM.INFO.KV_b" is not permitted'),
    });
    expect(flowControlError("b").message).toContain('publish on "$JS.FC.>" is not permitted');
  });
});
