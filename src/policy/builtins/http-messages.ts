import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import { messageOf } from "../../errors.ts";
import {
  checkedUrl,
  NetworkError,
  type OutboundRequest,
  type OutboundResponse,
} from "../outbound/request.ts";
import type { OutboundRules } from "../outbound/rules.ts";
import { parseDuration } from "./go-duration.ts";
import { goJson } from "./go-json.ts";
import { parseJson, valueText } from "./value-text.ts";
import { RegoNumber, RegoObject, type Value } from "./value.ts";
import { parseYaml } from "./yamls.ts";

/** A request to `http.send`, read and found to make sense. */
export interface SendRequest extends Omit<OutboundRequest, "tls"> {
  /** Equal for requests that have the same answer. */
  readonly key: string;
  readonly host: string;
  readonly tls: () => Promise<OutboundRequest["tls"]>;
  /** Whether later queries may have the answer, and for how many seconds whatever the server says. */
  readonly cached: boolean;
  readonly forcedSeconds: number | undefined;
  readonly retries: number;
  readonly raisesErrors: boolean;
  readonly decode: "json" | "yaml" | undefined;
}

const KEYS: ReadonlySet<string> = new Set([
  "method",
  "url",
  "body",
  "enable_redirect",
  "force_json_decode",
  "force_yaml_decode",
  "headers",
  "raw_body",
  "tls_use_system_certs",
  "tls_ca_cert",
  "tls_ca_cert_file",
  "tls_ca_cert_env_variable",
  "tls_client_cert",
  "tls_client_cert_file",
  "tls_client_cert_env_variable",
  "tls_client_key",
  "tls_client_key_file",
  "tls_client_key_env_variable",
  "tls_insecure_skip_verify",
  "tls_server_name",
  "timeout",
  "cache",
  "force_cache",
  "force_cache_duration_seconds",
  "raise_error",
  "caching_mode",
  "max_retry_attempts",
  "cache_ignored_headers",
]);
const TIMEOUT_MS = 5_000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_RETRIES = 10;
/** A method (RFC 9110), of a sensible length. */
const METHOD = /^[!#$%&'*+.^_`|~\dA-Z-]{1,32}$/;

/**
 * The request that an object describes. What is wrong with it is thrown, or is the answer's `refused` when the object
 * has `raise_error: false`.
 */
export function readRequest(
  object: RegoObject,
  rules: OutboundRules,
): SendRequest | { readonly refused: unknown } {
  const raisesErrors = flag(object, "raise_error", true);
  try {
    return read(object, rules, raisesErrors);
  } catch (error) {
    if (raisesErrors) throw error;
    return { refused: error };
  }
}

function read(object: RegoObject, rules: OutboundRules, raisesErrors: boolean): SendRequest {
  for (const [key] of object.entries) {
    if (typeof key === "string" && KEYS.has(key)) continue;
    throw new Error(`operand 1 invalid request parameters(s): {${valueText(key)}}`);
  }
  for (const key of ["method", "url"]) {
    if (object.get(key) === undefined) {
      throw new Error(`operand 1 missing required request parameters(s): {"${key}"}`);
    }
  }
  const method = text(object, "method")!.toUpperCase();
  if (!METHOD.test(method) || method === "CONNECT") throw new Error(`invalid method "${method}"`);
  const url = checkedUrl(text(object, "url")!, rules);
  const forcedSeconds = flag(object, "force_cache", false) ? forced(object) : undefined;
  const mode = text(object, "caching_mode") ?? "serialized";
  if (mode !== "serialized" && mode !== "deserialized") {
    throw new Error(`invalid value specified for caching_mode field: ${mode}`);
  }
  const body = object.get("body");
  return {
    key: keyOf(object),
    host: `host ${url.hostname}`,
    method,
    url: url.href,
    headers: headersOf(object.get("headers")),
    body: text(object, "raw_body") ?? (body === undefined ? undefined : goJson(body)),
    timeoutMs: timeoutOf(object.get("timeout")),
    followRedirects: flag(object, "enable_redirect", false),
    tls: () => tlsOf(object),
    cached: flag(object, "cache", false) || forcedSeconds !== undefined,
    forcedSeconds: forcedSeconds === 0 ? undefined : forcedSeconds,
    retries: Math.min(MAX_RETRIES, whole(object, "max_retry_attempts")),
    raisesErrors,
    decode: flag(object, "force_json_decode", false)
      ? "json"
      : flag(object, "force_yaml_decode", false)
        ? "yaml"
        : undefined,
  };
}

/** What `http.send` answers with. A body that is not what it should be is null. */
export function valueOf(response: OutboundResponse, { decode }: SendRequest): Value {
  const { status, statusCode, headers, body } = response;
  const type = headers["content-type"]?.[0] ?? "";
  let value: Value = null;
  try {
    if (decode === "json" || (decode === undefined && isJson(type))) value = parseJson(body);
    else if (decode === "yaml" || /application\/(?:x-)?yaml/.test(type)) value = parseYaml(body);
  } catch {
    // `raw_body` has it.
  }
  return new RegoObject([
    ["status", status],
    ["status_code", new RegoNumber(statusCode)],
    ["body", value],
    ["raw_body", body],
    ["headers", new RegoObject(Object.entries(headers))],
  ]);
}

/** What `http.send` answers with when errors are not to be raised. */
export function errorAnswer(error: unknown): Value {
  const code = `eval_http_send_${error instanceof NetworkError ? "network" : "internal"}_error`;
  return new RegoObject([
    ["status_code", new RegoNumber(0)],
    [
      "error",
      new RegoObject([
        ["code", code],
        ["message", messageOf(error)],
      ]),
    ],
  ]);
}

function isJson(type: string): boolean {
  return /^application\/(?:[^;/]+\+)?json\s*(?:;|$)/i.test(type);
}

/** Headers that are to be ignored are no part of it. */
function keyOf(object: RegoObject): string {
  const [headers, ignored] = [object.get("headers"), object.get("cache_ignored_headers")];
  if (!(headers instanceof RegoObject) || ignored === undefined) return valueText(object);
  if (!Array.isArray(ignored) || !ignored.every((name) => typeof name === "string")) {
    throw new Error("cache_ignored_headers must be an array of strings");
  }
  const names = new Set<Value>(ignored);
  const kept = headers.entries.filter(([name]) => !names.has(name));
  const entries = object.entries.filter(([name]) => name !== "cache_ignored_headers");
  return valueText(new RegoObject([...entries, ["headers", new RegoObject(kept)]]));
}

function headersOf(value: Value | undefined): Record<string, string> {
  if (value === undefined) return {};
  if (!(value instanceof RegoObject)) throw new Error("invalid type for headers field");
  return Object.fromEntries(
    value.entries.map(([name, item]) => {
      if (typeof name === "string" && typeof item === "string") return [name, item];
      throw new Error(`invalid value for headers field: ${valueText(name)}`);
    }),
  );
}

async function tlsOf(object: RegoObject): Promise<OutboundRequest["tls"]> {
  const [ca, cert, key] = await Promise.all(
    ["tls_ca_cert", "tls_client_cert", "tls_client_key"].map((name) => pem(object, name)),
  );
  const system = flag(object, "tls_use_system_certs", false);
  const servername = text(object, "tls_server_name");
  return {
    ...(ca !== undefined && { ca: system ? [ca, ...rootCertificates] : ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== undefined && { servername }),
    rejectUnauthorized: !flag(object, "tls_insecure_skip_verify", false),
  };
}

/** A PEM text, given as it is, by a file, or by a variable of the environment. */
async function pem(object: RegoObject, name: string): Promise<string | undefined> {
  const variable = text(object, `${name}_env_variable`);
  if (variable !== undefined) {
    const value = process.env[variable];
    if (value === undefined) throw new Error(`variable ${variable} of the environment is not set`);
    return value;
  }
  const file = text(object, `${name}_file`);
  return file === undefined ? text(object, name) : readFile(file, "utf8");
}

function timeoutOf(value: Value | undefined): number {
  if (value === undefined) return TIMEOUT_MS;
  let ns: bigint | undefined;
  if (typeof value === "string") ns = /^\d+$/.test(value) ? BigInt(value) : parseDuration(value);
  else if (value instanceof RegoNumber) ns = value.integer;
  if (ns === undefined || ns < 0n) throw new Error("'timeout' must be a duration or nanoseconds");
  // Go takes 0 for no limit at all.
  const ms = Math.ceil(Number(ns) / 1e6);
  return ms === 0 ? MAX_TIMEOUT_MS : Math.min(ms, MAX_TIMEOUT_MS);
}

function forced(object: RegoObject): number {
  if (object.get("force_cache_duration_seconds") === undefined) {
    throw new Error("'force_cache' set but 'force_cache_duration_seconds' parameter is missing");
  }
  return whole(object, "force_cache_duration_seconds");
}

function whole(object: RegoObject, name: string): number {
  const value = object.get(name);
  if (value === undefined) return 0;
  const number = value instanceof RegoNumber ? Number(value.integer ?? Number.NaN) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new Error(`invalid value for ${name} field`);
}

function flag(object: RegoObject, name: string, otherwise: boolean): boolean {
  const value = object.get(name) ?? otherwise;
  if (typeof value === "boolean") return value;
  throw new Error(`invalid value for ${name} field`);
}

function text(object: RegoObject, name: string): string | undefined {
  const value = object.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw new Error(`${name} must be a string`);
}
