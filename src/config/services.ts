import * as z from "zod";
import { boolean, field, integer, isMap, path, secret, section, text } from "./fields.ts";
import type { ServiceOptions } from "./decision-log-options.ts";
import type { ServiceConfig, ServiceResource } from "./types.ts";

const headers = field<Readonly<Record<string, string>>>({}, (value, report) => {
  if (isMap(value) && Object.values(value).every((item) => typeof item === "string")) {
    return value as Readonly<Record<string, string>>;
  }
  report("must be a map from header to text");
  return {};
});

function bearerShape(baseDir: string) {
  return { scheme: text("Bearer"), token: secret(), token_path: path(baseDir) };
}

function authorityShape(baseDir: string) {
  return { ca_cert: path(baseDir), system_ca_required: boolean(false) };
}

function clientTlsShape(baseDir: string) {
  return {
    cert: path(baseDir),
    private_key: path(baseDir),
    private_key_passphrase: secret(),
    cert_reread_interval_seconds: integer(0, 0),
    // Where OPA once had what is in `tls` now; that comes first.
    ...authorityShape(baseDir),
  };
}

function serviceShape(baseDir: string) {
  const bearer = z.strictObject(bearerShape(baseDir));
  const clientTls = z.strictObject(clientTlsShape(baseDir));
  return {
    name: text(undefined),
    url: z.string(),
    headers,
    response_header_timeout_seconds: integer(10, 1, 86_400),
    allow_insecure_tls: boolean(false),
    tls: section(z.strictObject(authorityShape(baseDir))),
    credentials: section(
      z.strictObject({ bearer: bearer.nullish(), client_tls: clientTls.nullish() }),
    ),
  } satisfies Record<keyof ServiceOptions, z.ZodType>;
}

/** Says what is wrong with a service, at a path inside of it. */
export type ReportService = (message: string, path: readonly PropertyKey[]) => void;

/** A resource of a service; of the service only what can be done is accepted. */
export function resourceOf(
  service: string,
  config: ServiceConfig,
  resource: string,
  baseDir: string,
  report: ReportService,
): ServiceResource | undefined {
  const parsed = z.strictObject(serviceShape(baseDir)).safeParse(config);
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys") report(issue.message, issue.path);
    else for (const key of issue.keys) report(UNSUPPORTED, [...issue.path, key]);
  }
  if (!parsed.success) return undefined;
  const options = parsed.data;
  const url = urlOf(options.url, resource, report);
  const bearer = options.credentials.bearer ?? undefined;
  const clientTls = options.credentials.client_tls ?? undefined;
  if (bearer !== undefined && (bearer.token === undefined) === (bearer.token_path === undefined)) {
    report("give token or token_path, one of the two", ["credentials", "bearer"]);
  }
  if (clientTls !== undefined && (!clientTls.cert || !clientTls.private_key)) {
    report("give cert and private_key together", ["credentials", "client_tls"]);
  }
  const token = bearer?.token ? { value: bearer.token } : { file: bearer?.token_path ?? "" };
  const authority = options.tls.ca_cert === undefined ? (clientTls ?? options.tls) : options.tls;
  const caFile = authority.ca_cert;
  return {
    service,
    url,
    headers: options.headers,
    timeoutMs: options.response_header_timeout_seconds * 1_000,
    ...(bearer && { bearer: { scheme: bearer.scheme, token } }),
    tls: {
      insecure: options.allow_insecure_tls,
      ...(caFile !== undefined && { caFile, systemCa: authority.system_ca_required }),
      ...(clientTls?.cert !== undefined && { certFile: clientTls.cert }),
      ...(clientTls?.private_key !== undefined && { keyFile: clientTls.private_key }),
      ...(clientTls?.private_key_passphrase && { passphrase: clientTls.private_key_passphrase }),
    },
  };
}

const UNSUPPORTED =
  "is not supported; use credentials.bearer or credentials.client_tls, or remove the key";

function urlOf(url: string, resource: string, report: ReportService): string {
  const { protocol, username, password } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    report('must begin with "http://" or "https://"', ["url"]);
  }
  if (username !== "" || password !== "") {
    report("must not hold a user; use credentials.bearer", ["url"]);
  }
  return `${url.replace(/\/+$/, "")}/${resource.replace(/^\/+/, "")}`;
}
