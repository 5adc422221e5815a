import { open } from "node:fs/promises";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { parseServers, splitServers } from "./servers.ts";
import type { NatsConfig } from "./types.ts";

/** Answers the addresses of the NATS servers as they are at this moment, each as `server_url` takes it, without users. */
export type ServerLookup = () => readonly string[] | Promise<readonly string[]>;

const MAX_FILE_BYTES = 64 * 1024;
const MAX_SERVERS = 1_000;

/**
 * Where to connect to, for every attempt anew: what `lookup` answers, or what the file holds, or else the fixed
 * list. Throws `NATS_SERVERS`, which never shows an address, when an answer or the file can't be used.
 */
export function serversOf(
  { servers, serversFile }: Pick<NatsConfig, "servers" | "serversFile">,
  lookup?: ServerLookup,
): () => Promise<readonly string[]> {
  if (lookup !== undefined) {
    return async () => checked(await answerOf(lookup), "the servers that were looked up");
  }
  if (serversFile === undefined) return async () => servers;
  return async () => readServers(serversFile);
}

async function answerOf(lookup: ServerLookup): Promise<readonly string[]> {
  let answer: unknown;
  try {
    answer = await lookup();
  } catch (error) {
    throw unusable(`the lookup of the servers failed: ${messageOf(error)}`, error);
  }
  if (Array.isArray(answer) && answer.every((item) => typeof item === "string")) return answer;
  throw unusable("the lookup of the servers answered no list of texts");
}

async function readServers(file: string): Promise<readonly string[]> {
  const what = `plugins.nats.server_urls_file: the file ${quote(file)}`;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readSome(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(
      error instanceof TypeError
        ? `${what} is not UTF-8 text; save it as UTF-8`
        : `${what} can't be read (${code ?? messageOf(error)}); check the path and its permissions`,
    );
  }
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*$/, ""));
  return checked(
    lines.flatMap((line) => splitServers(line)).filter((address) => address !== ""),
    what,
  );
}

/** Whatever a path leads to, no more of it is read than a list of servers needs. */
async function readSome(file: string): Promise<Buffer> {
  await using handle = await open(file);
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  if (bytesRead > MAX_FILE_BYTES) throw new Error("more than 64 KiB");
  return buffer.subarray(0, bytesRead);
}

function checked(addresses: readonly string[], what: string): readonly string[] {
  if (addresses.length > MAX_SERVERS) {
    throw unusable(`${what}: more than ${MAX_SERVERS} addresses; give fewer`);
  }
  const problems: string[] = [];
  const { urls, userinfo } = parseServers(addresses, (index, message) => {
    problems.push(`address ${index + 1}: ${message}`);
  });
  if (problems[0] !== undefined) throw unusable(`${what}: ${problems[0]}`);
  if (userinfo !== undefined) {
    throw unusable(`${what}: an address names a user; give it under the auth keys instead`);
  }
  if (urls.length === 0) throw unusable(`${what}: no address; write nats://host:4222`);
  return urls;
}

function unusable(reason: string, cause?: unknown): BridgeError {
  const options = cause === undefined ? {} : { cause };
  return new BridgeError("NATS_SERVERS", `${reason}.`, options);
}
