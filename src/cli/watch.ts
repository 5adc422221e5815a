import { Command } from "commander";
import { BridgeError, quote } from "../errors.ts";
import { JsonContainer } from "../common/json-edit.ts";
import { objectFields } from "../common/json-text.ts";
import { followFeed } from "./feed-client.ts";
import { collect, shown } from "./source.ts";

interface WatchOptions {
  readonly bucket?: readonly string[];
  readonly prefix?: readonly string[];
  readonly cursor?: string;
  readonly snapshot?: true;
  readonly json?: true;
  readonly tokenFile?: string;
  readonly caCert?: string;
  readonly cert?: string;
  readonly key?: string;
}

const TOKEN_VARIABLE = "NATS_OPA_BRIDGE_TOKEN";
/** Of a value, on one line. */
const SHOWN_LENGTH = 200;

/** `nats-opa-bridge watch`: the change feed of a bridge that runs, in a terminal. */
export function watchCommand(): Command {
  return new Command("watch")
    .description(
      "show the changes of the buckets that a running service watches, as they reach its policies",
    )
    .argument("[url]", "where the service answers", "http://127.0.0.1:8181")
    .option(
      "--bucket <pattern>",
      "only these buckets; * stands for any characters; may be given 16 times",
      collect,
    )
    .option("--prefix <key>", "only this key and the keys under it; may be given 16 times", collect)
    .option("--cursor <cursor>", "go on after this place, as an earlier run has told it")
    .option("--snapshot", "show all that is there first")
    .option("--json", "print the feed's messages, one JSON object a line")
    .option(
      "--token-file <file>",
      `a file with the bearer token; default: the variable ${TOKEN_VARIABLE}`,
    )
    .option("--ca-cert <file>", "the authority of the service's certificate (PEM)")
    .option("--cert <file>", "a certificate for the service to know us by (PEM)")
    .option("--key <file>", "the certificate's key (PEM)")
    .addHelpText(
      "after",
      `
When the connection is lost it is made again, and goes on where it was. Ctrl-C ends it, and tells the cursor to go
on from with --cursor. The feed tells of buckets that the service's policies use; it has none loaded.

Examples:
  $ nats-opa-bridge watch
  $ nats-opa-bridge watch http://bridge:8181 --bucket 'team-*' --prefix members
  $ nats-opa-bridge watch --snapshot --json > changes.jsonl
  $ ${TOKEN_VARIABLE}=… nats-opa-bridge watch https://bridge:8181 --ca-cert ca.pem

Exit codes: 0 ended by a signal; 1 the service refused the subscription, such as for its cursor or the token; 2 the
arguments were refused.
`,
    )
    .action(watch);
}

async function watch(url: string, options: WatchOptions): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  // Whoever reads what we write may go away first (`| head`).
  process.stdout.on("error", () => stop.abort());
  const last = await followFeed(
    {
      url: feedUrl(url, options),
      cursor: options.cursor,
      token: process.env[TOKEN_VARIABLE],
      tokenFile: options.tokenFile,
      caFile: options.caCert,
      certFile: options.cert,
      keyFile: options.key,
    },
    {
      message: options.json ? printJson : printLines,
      note: (text) => void process.stderr.write(`${text}\n`),
    },
    stop.signal,
  );
  if (last !== undefined) process.stderr.write(`to go on from here: --cursor ${last}\n`);
}

function feedUrl(url: string, { bucket, prefix, snapshot }: WatchOptions): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || !["http:", "https:"].includes(base.protocol)) {
    throw new BridgeError(
      "CONFIG_INVALID",
      `${quote(url)} is not the address of a service; write http://127.0.0.1:8181.`,
    );
  }
  const feed = new URL(`${base.pathname.replace(/\/+$/, "")}/v1/feed`, base);
  for (const name of bucket ?? []) feed.searchParams.append("bucket", name);
  for (const name of prefix ?? []) feed.searchParams.append("prefix", name);
  if (snapshot) feed.searchParams.set("snapshot", "true");
  return feed;
}

function printJson(text: string): void {
  // In values there may be line breaks, between their tokens.
  process.stdout.write(`${text.replaceAll("\n", " ")}\n`);
}

/** A line for each key; what is only about the feed itself goes to standard error. */
function printLines(text: string): void {
  const message = objectFields(text);
  const note = (line: string): void => void process.stderr.write(`${line}\n`);
  switch (stringIn(message, "type")) {
    case "change":
      for (const change of itemsIn(message, "changes")) {
        print(stringIn(change, "op"), stringIn(change, "bucket"), change);
      }
      break;
    case "entries":
      for (const entry of itemsIn(message, "entries")) {
        print("entry", stringIn(message, "bucket"), entry);
      }
      break;
    case "snapshot":
      note(`all that is there (${stringIn(message, "reason")}):`);
      break;
    case "complete":
      note(`that is all, at version ${shown(message.get("version") ?? "?")}`);
      break;
    case "end":
      note(`the service ended the feed (${stringIn(message, "reason")})`);
      break;
    default:
  }
}

type Fields = ReadonlyMap<string, string>;

/** Values are shown as the texts that are stored, which keeps their digits. */
function print(operation: string, bucket: string, fields: Fields): void {
  const revision = fields.get("revision");
  const words = [
    operation,
    bucket,
    stringIn(fields, "key"),
    revision === undefined ? "" : shown(`@${revision}`),
    shown(fields.get("value") ?? "", SHOWN_LENGTH),
  ];
  process.stdout.write(`${words.filter((word) => word !== "").join(" ")}\n`);
}

function stringIn(fields: Fields, name: string): string {
  const text = fields.get(name);
  return text === undefined ? "" : shown(String(JSON.parse(text)));
}

function* itemsIn(fields: Fields, name: string): Generator<Fields> {
  const items = JsonContainer.open(fields.get(name) ?? "[]");
  for (let index = 0; ; index++) {
    const text = items?.get(String(index));
    if (text === undefined) return;
    yield objectFields(text);
  }
}
