import { isIPv4, isIPv6 } from "node:net";
import { goQuote } from "./go-quote.ts";
import { byteString, textOfBytes } from "./go-text.ts";
import { escape, isEscaped, unescape } from "./go-url-escapes.ts";

/**
 * A URL as Go's `net/url` has it. Its parts are bytes, one character each: what an escape stands for need not be
 * UTF-8.
 */
export interface GoUrl {
  readonly scheme: string;
  /** What follows the scheme, where that does not begin with a slash. */
  readonly opaque: string;
  readonly user: { readonly name: string; readonly password: string | undefined } | undefined;
  /** With its port. */
  readonly host: string;
  readonly path: string;
  /** The path as it was written, where Go would write it otherwise. */
  readonly rawPath: string;
  readonly rawQuery: string;
  readonly fragment: string;
  readonly rawFragment: string;
  /** There is a `?` with nothing behind it. */
  readonly forceQuery: boolean;
  /** There is no `//`. */
  readonly omitHost: boolean;
}

/** `url.QueryEscape` of Go. */
export function queryEscape(text: string): string {
  return escape(byteString(text), "query");
}

/** `url.QueryUnescape` of Go. */
export function queryUnescape(text: string): string {
  return textOfBytes(unescape(byteString(text), "query"));
}

/** `url.Parse` of Go; throws for what it refuses, in its words. */
export function parseUrl(text: string): GoUrl {
  const [before, fragment = ""] = cut(byteString(text), "#");
  return {
    ...inWords(textOfBytes(before), () => parse(before)),
    ...inWords(text, () => {
      const plain = unescape(fragment, "fragment");
      const isPlain = escape(plain, "fragment") === fragment;
      return { fragment: plain, rawFragment: isPlain ? "" : fragment };
    }),
  };
}

function inWords<T>(text: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`parse ${goQuote(text)}: ${(error as Error).message}`, { cause: error });
  }
}

type Parts = Omit<GoUrl, "fragment" | "rawFragment">;

const NOTHING: Parts = {
  scheme: "",
  opaque: "",
  user: undefined,
  host: "",
  path: "",
  rawPath: "",
  rawQuery: "",
  forceQuery: false,
  omitHost: false,
};

function parse(text: string): Parts {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001F\u007F]/.test(text)) {
    throw new Error("net/url: invalid control character in URL");
  }
  if (text === "*") return { ...NOTHING, path: "*" };
  const [scheme, afterScheme] = schemeOf(text);
  const forceQuery = afterScheme.indexOf("?") === afterScheme.length - 1 && afterScheme !== "";
  const [beforeQuery, rawQuery = ""] = cut(afterScheme, "?");
  const parts = { ...NOTHING, scheme, forceQuery, rawQuery };
  if (!beforeQuery.startsWith("/")) {
    if (scheme !== "") return { ...parts, opaque: beforeQuery };
    if (cut(beforeQuery, "/")[0].includes(":")) {
      throw new Error("first path segment in URL cannot contain colon");
    }
  }
  const hasHost = beforeQuery.startsWith("//") && (scheme !== "" || !beforeQuery.startsWith("///"));
  let rest = beforeQuery;
  let authority: Pick<GoUrl, "user" | "host"> = { user: undefined, host: "" };
  if (hasHost) {
    const slash = beforeQuery.indexOf("/", 2);
    rest = slash < 0 ? "" : beforeQuery.slice(slash);
    authority = authorityOf(scheme, beforeQuery.slice(2, slash < 0 ? undefined : slash));
  }
  const path = unescape(rest, "path");
  return {
    ...parts,
    ...authority,
    omitHost: !hasHost && scheme !== "" && rest.startsWith("/"),
    path,
    rawPath: escape(path, "path") === rest ? "" : rest,
  };
}

function schemeOf(text: string): [scheme: string, rest: string] {
  if (text.startsWith(":")) throw new Error("missing protocol scheme");
  const match = /^([a-zA-Z][a-zA-Z\d+.-]*):/.exec(text);
  if (match === null) return ["", text];
  return [match[1]!.toLowerCase(), text.slice(match[0].length)];
}

function authorityOf(scheme: string, authority: string): Pick<GoUrl, "user" | "host"> {
  const at = authority.lastIndexOf("@");
  const host = hostOf(scheme, authority.slice(at + 1));
  if (at < 0) return { user: undefined, host };
  const user = authority.slice(0, at);
  if (!/^[A-Za-z\d\-._:~!$&'()*+,;=%@]*$/.test(user)) throw new Error("net/url: invalid userinfo");
  const [name, password] = cut(user, ":");
  return {
    host,
    user: {
      name: unescape(name, "user"),
      password: password === undefined ? undefined : unescape(password, "user"),
    },
  };
}

function hostOf(scheme: string, host: string): string {
  const open = host.lastIndexOf("[");
  if (open > 0) throw new Error("invalid IP-literal");
  if (open === 0) return literalOf(host);
  let colon = host.indexOf(":");
  // Lists of hosts with ports are common in the URLs of databases.
  if (scheme !== "http" && scheme !== "https") colon = host.lastIndexOf(":");
  if (colon >= 0) checkPort(host.slice(colon));
  return unescape(host, "host");
}

/** An IPv6 address in brackets, with its port. */
function literalOf(host: string): string {
  const close = host.lastIndexOf("]");
  if (close < 0) throw new Error("missing ']' in host");
  const port = host.slice(close + 1);
  checkPort(port);
  const name = host.slice(1, close);
  const zone = name.indexOf("%25");
  const address =
    zone < 0
      ? unescape(name, "host")
      : unescape(name.slice(0, zone), "host") + unescape(name.slice(zone), "zone");
  if (isIPv4(address)) throw new Error("invalid IP-literal");
  if (!isIPv6(address)) {
    throw new Error(
      `invalid host: ParseAddr(${goQuote(textOfBytes(address))}): unable to parse IP`,
    );
  }
  return `[${address}]${port}`;
}

function checkPort(port: string): void {
  if (isPort(port)) return;
  throw new Error(`invalid port ${goQuote(textOfBytes(port))} after host`);
}

function isPort(text: string): boolean {
  return /^(?::\d*)?$/.test(text);
}

/** The host's name, without brackets, and its port; each empty where there is none. */
export function splitHost({ host }: GoUrl): [name: string, port: string] {
  const colon = host.lastIndexOf(":");
  const hasPort = colon >= 0 && isPort(host.slice(colon));
  const name = hasPort ? host.slice(0, colon) : host;
  const port = hasPort ? host.slice(colon + 1) : "";
  return [name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name, port];
}

/** The path as it goes over the wire. */
export function escapedPath({ path, rawPath }: GoUrl): string {
  if (rawPath !== "" && isEscaped(rawPath, "path")) return rawPath;
  return path === "*" ? "*" : escape(path, "path");
}

/** `URL.String` of Go. */
export function urlText(url: GoUrl): string {
  const path = escapedPath(url);
  let text = url.scheme === "" ? "" : `${url.scheme}:`;
  if (url.opaque !== "") text += url.opaque;
  else {
    text += authorityText(url);
    if (path !== "" && !path.startsWith("/") && url.host !== "") text += "/";
    // It would be taken for a scheme.
    if (text === "" && cut(path, "/")[0].includes(":")) text = "./";
    text += path;
  }
  if (url.forceQuery || url.rawQuery !== "") text += `?${url.rawQuery}`;
  if (url.fragment !== "") text += `#${escapedFragment(url)}`;
  return text;
}

function authorityText({ scheme, user, host, omitHost, path }: GoUrl): string {
  if ((scheme === "" || omitHost) && host === "" && user === undefined) return "";
  const slashes = host !== "" || path !== "" || user !== undefined ? "//" : "";
  if (user === undefined) return slashes + escape(host, "host");
  const password = user.password === undefined ? "" : `:${escape(user.password, "user")}`;
  return `${slashes}${escape(user.name, "user")}${password}@${escape(host, "host")}`;
}

function escapedFragment({ fragment, rawFragment }: GoUrl): string {
  if (rawFragment !== "" && isEscaped(rawFragment, "fragment")) return rawFragment;
  return escape(fragment, "fragment");
}

/** What stands before a separator's first occurrence, and behind it. */
function cut(text: string, separator: string): [before: string, after: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
