import * as z from "zod";
import { bytes, duration, field, integer, path, section } from "./fields.ts";
import type { ServerOptions } from "./server-options.ts";
import { parseHostPort } from "./servers.ts";
import type { ServerConfig } from "./types.ts";

/** An OPA key that is accepted and has no effect here; `warningsOf` says so. */
const ignored = z.unknown().optional();

const addr = field({ host: "127.0.0.1", port: 8181 }, (value, report) => {
  const address = typeof value === "string" ? parseHostPort(value) : "this is not text";
  if (typeof address !== "string") return { ...address, host: address.host || "0.0.0.0" };
  report(`${address}; write "127.0.0.1:8181", or ":8181" for every address of the machine`);
  return { host: "", port: 0 };
});

/** One of a few words, the first one where there is none. */
function choice<T extends string>(words: readonly [T, ...T[]]): z.ZodType<T> {
  return field(words[0], (value, report) => {
    const chosen = words.find((word) => word === value);
    if (chosen === undefined) report(`must be one of ${words.join(", ")}`);
    return chosen ?? words[0];
  });
}

const decodingShape = { max_length: bytes(10 * 2 ** 20), gzip: ignored };

const gzipShape = {
  min_length: integer(1_024, 0, 2 ** 31 - 1),
  compression_level: integer(9, 1, 9),
};

function tlsShape(baseDir: string) {
  const file = path(baseDir);
  return { cert_file: file, private_key_file: file, ca_cert_file: file };
}

function serverShape(baseDir: string) {
  return {
    addr,
    authentication: choice<"off" | "token" | "tls">(["off", "token", "tls"]),
    authorization: choice<"off" | "basic">(["off", "basic"]),
    token_file: path(baseDir),
    tls: z.strictObject(tlsShape(baseDir)).nullish(),
    decoding: section(z.strictObject(decodingShape)),
    encoding: section(z.strictObject({ gzip: section(z.strictObject(gzipShape)) })),
    request_timeout: duration("60s", 1),
    max_concurrent_requests: integer(1_000, 1, 1_000_000),
    max_connections: integer(10_000, 1, 1_000_000),
    shutdown_grace_period: duration("10s"),
    shutdown_wait_period: duration("0s"),
    metrics: ignored,
  } satisfies Record<keyof ServerOptions, z.ZodType>;
}

/** The section `server`; the authorization's decision stands beside it, as in OPA. */
export function serverSchema(
  baseDir: string,
): z.ZodType<Omit<ServerConfig, "authorizationDecision">> {
  return z.strictObject(serverShape(baseDir)).transform((options) => {
    const { tls, token_file: tokenFile } = options;
    return {
      ...options.addr,
      authentication: options.authentication,
      authorization: options.authorization,
      ...(tokenFile !== undefined && { tokenFile }),
      // What is missing of the two is refused with the rules.
      ...(tls && {
        tls: {
          certFile: tls.cert_file ?? "",
          keyFile: tls.private_key_file ?? "",
          ...(tls.ca_cert_file !== undefined && { caFile: tls.ca_cert_file }),
        },
      }),
      maxBodyBytes: options.decoding.max_length,
      gzip: {
        minLength: options.encoding.gzip.min_length,
        level: options.encoding.gzip.compression_level,
      },
      requestTimeoutMs: options.request_timeout,
      maxConcurrentRequests: options.max_concurrent_requests,
      maxConnections: options.max_connections,
      shutdownGraceMs: options.shutdown_grace_period,
      shutdownWaitMs: options.shutdown_wait_period,
    };
  });
}

/** The keys of the section's maps, for suggestions. */
export const SERVER_KEYS: readonly (readonly [path: string, keys: readonly string[]])[] = [
  ["server", Object.keys(serverShape("."))],
  ["server.tls", Object.keys(tlsShape("."))],
  ["server.decoding", Object.keys(decodingShape)],
  ["server.encoding", ["gzip"]],
  ["server.encoding.gzip", Object.keys(gzipShape)],
];
