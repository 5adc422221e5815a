import { isFileBundle } from "./bundles.ts";
import { isMap } from "./fields.ts";
import { formatPath } from "./problems.ts";

/** OPA's keys that are accepted, so that an existing file works, and have no effect here. */
const IGNORED: readonly (readonly string[])[] = [
  ["caching"],
  ["status"],
  ["server", "metrics"],
  ["server", "decoding", "gzip"],
];

const IGNORED_IN_BUNDLE: readonly string[] = ["trigger"];
/** Of a service, which is asked; files are there, and objects come by themselves. */
const IGNORED_IN_FILE_BUNDLE: readonly string[] = ["polling", "persist", "trigger"];

/** What an operator should know about a configuration that is valid. */
export function warningsOf(input: unknown): string[] {
  const bundles = at(input, ["bundles"]);
  const bundlePaths = [
    ["bundle"],
    ...(isMap(bundles) ? Object.keys(bundles).map((name) => ["bundles", name]) : []),
  ];
  const ignored = [
    ...IGNORED,
    ...bundlePaths.flatMap((path) => {
      const isFile = isFileBundle(at(input, path));
      const keys = isFile ? IGNORED_IN_FILE_BUNDLE : IGNORED_IN_BUNDLE;
      return keys.map((key) => [...path, key]);
    }),
  ].filter((path) => at(input, path) !== undefined);
  return [
    ...ignored.map((path) => `${formatPath(path)} has no effect here.`),
    ...logWarnings(input),
    ...natsWarnings(input, ["nats"]),
    ...natsWarnings(input, ["plugins", "nats"]),
  ];
}

function logWarnings(input: unknown): string[] {
  const section = at(input, ["decision_logs"]);
  const services = at(input, ["services"]);
  const hasService =
    typeof services === "object" && services !== null && Object.keys(services).length > 0;
  const subject = at(section, ["nats", "subject"]) !== undefined;
  if (!isMap(section) || section["console"] === true || hasService || subject) return [];
  return ["decision_logs has nowhere to go: give console, service or nats.subject."];
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
