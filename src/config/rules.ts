import { BUCKET_NAME, isBucketAllowed } from "../common/bucket-names.ts";
import { parseBytes } from "./bytes.ts";
import { isMap } from "./fields.ts";
import { formatPath, type Problem } from "./problems.ts";
import { parseServers, splitServers } from "./servers.ts";

type Raw = Readonly<Record<string, unknown>>;
type Path = readonly PropertyKey[];

/**
 * The rules that join several keys. They read the configuration as it was given, so that they are
 * reported together with the problems of single keys; what a single key's own check reports is
 * passed over here.
 */
export function ruleProblems(input: unknown): Problem[] {
  if (!isMap(input)) return [];
  const problems = [...bundleProblems(input), ...delayProblems(input)];
  if (isMap(input["server"])) problems.push(...accessProblems(input["server"]));
  const plugins = input["plugins"];
  const inPlugins = isMap(plugins) ? plugins["nats"] : undefined;
  if (given(input, "nats") && inPlugins !== undefined && inPlugins !== null) {
    problems.push(
      whole(["nats"], "plugins.nats is given too, and means the same; keep one of the two"),
    );
  }
  if (isMap(input["nats"])) problems.push(...natsProblems(input["nats"], ["nats"]));
  if (isMap(inPlugins)) problems.push(...natsProblems(inPlugins, ["plugins", "nats"]));
  return problems;
}

/** As in OPA, one delay alone is a mistake: the other's default may well be on the wrong side of it. */
function delayProblems(input: Raw): Problem[] {
  const at = ["decision_logs", "reporting"];
  const logs = input["decision_logs"];
  const reporting = isMap(logs) ? logs["reporting"] : undefined;
  if (!isMap(reporting)) return [];
  const keys = ["min_delay_seconds", "max_delay_seconds"];
  const missing = keys.filter((key) => !given(reporting, key));
  const [one] = missing;
  return missing.length === 1 ? [whole(at, `${one} is missing; give both delays, or none`)] : [];
}

function whole(path: Path, message: string): Problem {
  return { path, message, showValue: false };
}

function given(map: Raw, key: string): boolean {
  return map[key] !== undefined && map[key] !== null;
}

function natsProblems(nats: Raw, at: Path): Problem[] {
  return [
    ...secretTwiceProblems(nats, at),
    ...serversTwiceProblems(nats, at),
    ...halfProblems(nats, at),
    ...authModeProblems(nats, at),
    ...bucketProblems(nats, at),
    ...budgetProblems(nats, at),
  ];
}

const SECRETS = ["token", "password", "user_jwt", "user_nkey_seed"];

function secretTwiceProblems(nats: Raw, at: Path): Problem[] {
  return SECRETS.filter((key) => given(nats, key) && given(nats, `${key}_file`)).map((key) =>
    whole([...at, key], `${key}_file is given too; keep one of the two`),
  );
}

function serversTwiceProblems(nats: Raw, at: Path): Problem[] {
  if (!given(nats, "server_url") || !given(nats, "server_urls_file")) return [];
  return [whole([...at, "server_urls_file"], "server_url is given too; keep one of the two")];
}

/** Pairs of keys of which one alone would connect without what was asked for. */
const PAIRS: readonly (readonly [string, string])[] = [
  ["username", "password"],
  ["user_jwt", "user_nkey_seed"],
  ["tls_cert", "tls_key"],
];

function halfProblems(nats: Raw, at: Path): Problem[] {
  return PAIRS.flatMap(([a, b]) => {
    const [hasA, hasB] = [eitherForm(nats, a), eitherForm(nats, b)];
    if ((hasA === undefined) === (hasB === undefined)) return [];
    const present = hasA ?? hasB ?? a;
    const missing = hasA === undefined ? a : b;
    const orFile = SECRETS.includes(missing) ? ` or ${missing}_file` : "";
    return [
      whole([...at, present], `half of a pair; give ${missing}${orFile} too, or remove the key`),
    ];
  });
}

/** The key under which a value is given, in place or as a file. */
function eitherForm(nats: Raw, key: string): string | undefined {
  if (given(nats, key)) return key;
  return given(nats, `${key}_file`) ? `${key}_file` : undefined;
}

function authModeProblems(nats: Raw, at: Path): Problem[] {
  const modes = [
    eitherForm(nats, "credentials"),
    eitherForm(nats, "user_jwt") ?? eitherForm(nats, "user_nkey_seed"),
    eitherForm(nats, "token"),
    eitherForm(nats, "username") ?? eitherForm(nats, "password"),
    hasUserinfo(nats["server_url"]) ? "a user in server_url" : undefined,
  ].filter((mode) => mode !== undefined);
  if (modes.length < 2) return [];
  const message = `more than one way to authenticate: ${modes.join(", ")}; keep one of them`;
  return [whole(at, message)];
}

function hasUserinfo(serverUrl: unknown): boolean {
  const texts: readonly unknown[] = Array.isArray(serverUrl) ? serverUrl : [serverUrl];
  const parts = splitServers(texts.filter((text) => typeof text === "string").join());
  return parseServers(parts, () => undefined).userinfo !== undefined;
}

function bucketProblems(nats: Raw, at: Path): Problem[] {
  const root = nats["root_bucket"];
  const buckets = isMap(nats["buckets"]) ? nats["buckets"] : {};
  const allow = buckets["allow"] ?? ["*"];
  const deny = buckets["deny"] ?? [];
  if (typeof root !== "string" || !BUCKET_NAME.test(root) || !isTexts(allow) || !isTexts(deny)) {
    return [];
  }
  if (isBucketAllowed(root, { allow, deny })) return [];
  const list = formatPath([...at, "buckets"]);
  const message = `this bucket is not allowed by ${list}; add it to allow, and remove what denies it`;
  return [{ path: [...at, "root_bucket"], message }];
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function budgetProblems(nats: Raw, at: Path): Problem[] {
  if (!given(nats, "max_bucket_bytes")) return [];
  try {
    const total = parseBytes(nats["max_total_bytes"] ?? "2GiB");
    if (parseBytes(nats["max_bucket_bytes"]) <= total) return [];
  } catch {
    return [];
  }
  const which = given(nats, "max_total_bytes") ? "" : " (2GiB by default)";
  const message = `more than max_total_bytes${which}; give less here, or more there`;
  return [{ path: [...at, "max_bucket_bytes"], message }];
}

function bundleProblems(input: Raw): Problem[] {
  const { bundle, bundles } = input;
  const { services } = input;
  const hasServices =
    typeof services === "object" && services !== null && Object.keys(services).length > 0;
  const problems = isMap(bundle) ? sourceProblems(bundle, ["bundle"], hasServices) : [];
  const names = isMap(bundles) ? Object.keys(bundles) : [];
  for (const name of names) {
    const one = isMap(bundles) ? bundles[name] : undefined;
    if (isMap(one)) problems.push(...sourceProblems(one, ["bundles", name], hasServices));
  }
  if (isMap(bundle) && names.length > 0) {
    problems.push(whole(["bundle"], "bundles is given too; keep one of the two"));
  }
  return problems;
}

function sourceProblems(bundle: Raw, at: Path, hasServices: boolean): Problem[] {
  const [first, second] = ["file", "resource", "service"].filter((key) => given(bundle, key));
  if (first === "file" && second !== undefined) {
    return [whole(at, `file and ${second} are both given; keep one of the two`)];
  }
  if (first !== undefined || hasServices) return [];
  return [whole(at, "there is no file; give its path as file:")];
}

/** What would leave the service open, or closed to everybody, although the file reads as if it were not. */
function accessProblems(server: Raw): Problem[] {
  const { authentication, authorization } = server;
  const problems: Problem[] = [];
  const tls = isMap(server["tls"]) ? server["tls"] : undefined;
  for (const key of ["cert_file", "private_key_file"]) {
    if (tls !== undefined && !given(tls, key)) {
      problems.push(whole(["server", "tls"], `there is no ${key}; give its path`));
    }
  }
  if (authentication === "tls" && (tls === undefined || !given(tls, "ca_cert_file"))) {
    const message = "needs the clients' authority; give its path as server.tls.ca_cert_file";
    problems.push(whole(["server", "authentication"], message));
  }
  if (authentication !== "tls" && tls !== undefined && given(tls, "ca_cert_file")) {
    const message = "clients are not asked for certificates; set server.authentication to tls";
    problems.push(whole(["server", "tls", "ca_cert_file"], message));
  }
  if (authentication === "token" && !given(server, "token_file") && authorization !== "basic") {
    const message = "nobody would check the tokens; give token_file, or set authorization to basic";
    problems.push(whole(["server", "authentication"], message));
  }
  if (authentication !== "token" && given(server, "token_file")) {
    const message = "tokens are not asked for; set server.authentication to token";
    problems.push(whole(["server", "token_file"], message));
  }
  return problems;
}
