import { isIPv6 } from "node:net";
import { HIDDEN, Secret } from "./secret.ts";

/** Who to be, as it was given before the host of an address: a user with a password, or a token. */
export type Userinfo =
  { readonly username: string; readonly password: Secret } | { readonly token: Secret };

/** The addresses of `server_url`, and the userinfo that was taken out of them. */
export interface Servers {
  readonly urls: readonly string[];
  readonly userinfo?: Userinfo;
}

const DEFAULT_PORT = 4222;

/** An address for showing: what stands before an `@`, or after a `?`, may be a secret. */
export function redactAddress(text: string): string {
  const at = text.lastIndexOf("@");
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(text)?.[0] ?? "";
  const shown = at < 0 ? text : `${scheme}${HIDDEN}${text.slice(at)}`;
  return shown.replace(/\?.*$/s, `?${HIDDEN}`);
}

/** The addresses in a `server_url`: a list, or text with commas. */
export function splitServers(value: string | readonly string[]): string[] {
  const texts = typeof value === "string" ? value.split(",") : value;
  return texts.map((text) => text.trim());
}

/**
 * Reads the addresses of `server_url`. `report` is told of each problem, with the address's place
 * in the list; it never gets a part of the address, since that could be a secret.
 */
export function parseServers(
  texts: readonly string[],
  report: (index: number, message: string) => void,
): Servers {
  const urls = new Set<string>();
  let userinfo: Userinfo | undefined;
  for (const [index, text] of texts.entries()) {
    const server = parseServer(text);
    if (typeof server === "string") {
      report(index, server);
      continue;
    }
    urls.add(server.url);
    if (server.userinfo === undefined) continue;
    if (userinfo !== undefined && !sameUserinfo(userinfo, server.userinfo)) {
      report(
        index,
        "names another user than the address before; one connection has one identity, so give the same one",
      );
    }
    userinfo ??= server.userinfo;
  }
  return { urls: [...urls], ...(userinfo !== undefined && { userinfo }) };
}

/** The address, or what is wrong with it. */
function parseServer(text: string): { url: string; userinfo?: Userinfo } | string {
  if (text === "") return "the address is empty; write nats://host:4222";
  const [, scheme = "nats", rest = ""] =
    /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*)$/s.exec(text) ?? [];
  const protocol = scheme.toLowerCase();
  if (protocol === "ws" || protocol === "wss") {
    return "WebSocket addresses are not supported; give the client port instead, such as nats://host:4222 or tls://host:4222";
  }
  if (protocol !== "nats" && protocol !== "tls") {
    return "the scheme must be nats or tls; write nats://host:4222 or tls://host:4222";
  }
  const at = rest.lastIndexOf("@");
  const address = parseHostPort(rest.slice(at + 1).replace(/\/$/, ""), DEFAULT_PORT);
  if (typeof address === "string") return `${address}; write ${protocol}://host:4222`;
  if (address.port === 0) return `the port must be from 1 to 65535; write ${protocol}://host:4222`;
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  const url = `${protocol}://${host}:${address.port}`;
  if (at < 0) return { url };
  const userinfo = parseUserinfo(rest.slice(0, at));
  return typeof userinfo === "string" ? userinfo : { url, userinfo };
}

function parseUserinfo(text: string): Userinfo | string {
  const colon = text.indexOf(":");
  let user: string;
  let password: string;
  try {
    user = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
    password = decodeURIComponent(colon < 0 ? "" : text.slice(colon + 1));
  } catch {
    return "what stands before the @ is not percent-encoded text; write a % of the password as %25";
  }
  if (user === "" || (colon >= 0 && password === "")) {
    return "the user or the password before the @ is empty; write user:password@ or token@";
  }
  if (colon < 0) return { token: new Secret(user) };
  return { username: user, password: new Secret(password) };
}

function sameUserinfo(a: Userinfo, b: Userinfo): boolean {
  if ("token" in a || "token" in b) {
    return "token" in a && "token" in b && a.token.reveal() === b.token.reveal();
  }
  return a.username === b.username && a.password.reveal() === b.password.reveal();
}

/**
 * Host and port of "host:port", "[::1]:port" or ":port" (an empty host); the port may be missing
 * where there is a default. Answers what is wrong otherwise.
 */
export function parseHostPort(
  text: string,
  defaultPort?: number,
): { host: string; port: number } | string {
  const parts = /^(?:\[([^[\]]*)\]|([A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) {
    const bareIPv6 = isIPv6(text) ? " (an IPv6 address stands in brackets: [::1])" : "";
    return `this is not a host and a port${bareIPv6}`;
  }
  const [, ipv6, name = "", digits] = parts;
  if (ipv6 !== undefined && !isIPv6(ipv6)) return "what stands in brackets is not an IPv6 address";
  const host = ipv6 ?? name;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined) return "the port is missing";
  if (port > 65_535) return "the port must be at most 65535";
  if (host === "" && defaultPort !== undefined) return "the host is missing";
  return { host, port };
}
