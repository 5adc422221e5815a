/** The parts of a URL that there are, by the names that OPA gives them. */
export type UrlParts = Record<string, string>;

const HEX_PAIR = /^[\da-fA-F]{2}$/;

/** `url.QueryEscape` of Go. */
export function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%20", "+")
    .replaceAll(/[!'()*]/g, percent);
}

/** `url.QueryUnescape` of Go. */
export function queryUnescape(text: string): string {
  return unescape(text.replaceAll("+", " "));
}

function percent(character: string): string {
  return `%${character.codePointAt(0)!.toString(16).toUpperCase()}`;
}

function unescape(text: string, isForbidden?: (code: number) => boolean): string {
  const bytes: Buffer[] = [];
  let at = 0;
  for (let index = text.indexOf("%"); index >= 0; index = text.indexOf("%", at)) {
    const pair = text.slice(index + 1, index + 3);
    const code = HEX_PAIR.test(pair) ? Number.parseInt(pair, 16) : undefined;
    if (code === undefined || isForbidden?.(code) === true) {
      throw new Error(`invalid URL escape ${JSON.stringify(text.slice(index, index + 3))}`);
    }
    bytes.push(Buffer.from(text.slice(at, index)), Buffer.from([code]));
    at = index + 3;
  }
  if (at === 0) return text;
  return Buffer.concat([...bytes, Buffer.from(text.slice(at))]).toString("utf8");
}

/** `url.Parse` of Go; throws for what it refuses, in its words. */
export function parseUrl(text: string): UrlParts {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`parse ${JSON.stringify(text)}: ${(error as Error).message}`, { cause: error });
  }
}

function parse(text: string): UrlParts {
  const parts: UrlParts = {};
  const hash = text.indexOf("#");
  const beforeFragment = hash < 0 ? text : text.slice(0, hash);
  if (/[^\P{Cc}\u0080-\u009f]/u.test(beforeFragment)) {
    throw new Error("net/url: invalid control character in URL");
  }
  if (hash >= 0 && hash < text.length - 1) {
    parts["fragment"] = unescape(text.slice(hash + 1));
  }
  if (beforeFragment === "") return parts;
  let rest = takeScheme(beforeFragment, parts);
  const question = rest.indexOf("?");
  if (question >= 0) {
    if (question < rest.length - 1) parts["raw_query"] = rest.slice(question + 1);
    rest = rest.slice(0, question);
  }
  if (!rest.startsWith("/")) {
    // With a scheme, and no slash, it is opaque.
    if (parts["scheme"] !== undefined) return parts;
    if (rest.split("/", 1)[0]!.includes(":")) {
      throw new Error("first path segment in URL cannot contain colon");
    }
  }
  if (rest.startsWith("//") && !(parts["scheme"] === undefined && rest.startsWith("///"))) {
    const slash = rest.indexOf("/", 2);
    takeAuthority(rest.slice(2, slash < 0 ? undefined : slash), parts);
    rest = slash < 0 ? "" : rest.slice(slash);
  }
  if (rest !== "") {
    const path = unescape(rest);
    parts["path"] = path;
    // Go keeps the escaped form only where it is not the one that it would write itself.
    parts["raw_path"] = escapePath(path) === rest ? path : rest;
  }
  return parts;
}

function takeScheme(text: string, parts: UrlParts): string {
  if (text.startsWith(":")) throw new Error("missing protocol scheme");
  const match = /^([a-zA-Z][a-zA-Z\d+.-]*):/.exec(text);
  if (match === null) return text;
  parts["scheme"] = match[1]!.toLowerCase();
  return text.slice(match[0].length);
}

/** The path of a parsed URL as it goes over the wire. */
export function escapedPath({ path = "", raw_path: raw = "" }: UrlParts): string {
  return raw === path ? escapePath(path) : raw;
}

function escapePath(path: string): string {
  return encodeURI(path).replaceAll(/[!'()*?#]/g, percent);
}

function takeAuthority(authority: string, parts: UrlParts): void {
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const user = authority.slice(0, at);
    if (!/^[A-Za-z\d\-._:~!$&'()*+,;=%@]*$/.test(user))
      throw new Error("net/url: invalid userinfo");
    unescape(user);
  }
  const host = authority.slice(at + 1);
  let [name, port] = [host, ""];
  if (host.startsWith("[")) {
    const close = host.lastIndexOf("]");
    if (close < 0) throw new Error("missing ']' in host");
    [name, port] = [host.slice(1, close), host.slice(close + 1)];
    checkPort(port);
    const zone = name.indexOf("%25");
    name = zone < 0 ? hostName(name) : hostName(name.slice(0, zone)) + unescape(name.slice(zone));
  } else {
    const colon = host.lastIndexOf(":");
    if (colon >= 0) {
      [name, port] = [host.slice(0, colon), host.slice(colon)];
      checkPort(port);
    }
    name = hostName(name);
  }
  if (name !== "") parts["hostname"] = name;
  if (port.length > 1) parts["port"] = port.slice(1);
}

function checkPort(port: string): void {
  if (!/^(?::\d*)?$/.test(port)) {
    throw new Error(`invalid port ${JSON.stringify(port)} after host`);
  }
}

/** Only what is not ASCII may be escaped in a host's name. */
function hostName(text: string): string {
  const wrong = /[ "<>\\^`{|}]/.exec(text.replaceAll(/["<>]/g, ""));
  if (wrong !== null) throw new Error(`invalid character ${JSON.stringify(wrong[0])} in host name`);
  return unescape(text, (code) => code < 0x80);
}
