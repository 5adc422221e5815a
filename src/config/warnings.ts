import { isMap } from "./fields.ts";
import { formatPath } from "./problems.ts";

/** OPA's keys that are accepted, so that an existing file works, and have no effect here. */
const IGNORED: readonly (readonly string[])[] = [
  ["keys"],
  ["caching"],
  ["status"],
  ["persistence_directory"],
  ["default_authorization_decision"],
  ["nd_builtin_cache"],
  ["server", "encoding"],
  ["server", "metrics"],
  ["server", "decoding", "gzip"],
];

const IGNORED_IN_BUNDLE: readonly string[] = ["polling", "persist", "trigger", "size_limit_bytes"];

/** What an operator should know about a configuration that is valid. */
export function warningsOf(input: unknown): string[] {
  const bundles = at(input, ["bundles"]);
  const bundlePaths = [
    ["bundle"],
    ...(isMap(bundles) ? Object.keys(bundles).map((name) => ["bundles", name]) : []),
  ];
  const ignored = [
    ...IGNORED,
    ...bundlePaths.flatMap((path) => IGNORED_IN_BUNDLE.map((key) => [...path, key])),
  ].filter((path) => at(input, path) !== undefined);
  return [
    ...ignored.map((path) => `${formatPath(path)} has no effect here.`),
    ...natsWarnings(input, ["nats"]),
    ...natsWarnings(input, ["plugins", "nats"]),
  ];
}

function natsWarnings(input: unknown, path: readonly string[]): string[] {
  const warnings: string[] = [];
  const attempts = [...path, "max_reconnect_attempts"];
  if (at(input, attempts) === 0) {
    warnings.push(
      `${formatPath(attempts)} is 0: a lost connection is not restored. (The Go plugin read 0 as 10; -1 means forever.)`,
    );
  }
  const insecure = [...path, "tls_insecure"];
  if (at(input, insecure) === true) {
    warnings.push(`${formatPath(insecure)} is true: the NATS server's certificate is not checked.`);
  }
  return warnings;
}

function at(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), input);
}
