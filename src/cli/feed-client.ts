import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { createSecureContext } from "node:tls";
import { createParser } from "eventsource-parser";
import { sleep } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";

export interface FeedClientOptions {
  /** Of the feed, with its parameters other than the cursor. */
  readonly url: URL;
  readonly cursor: string | undefined;
  readonly token: string | undefined;
  /** Read again for every connection. Counts more than `token`. */
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

export interface FeedReader {
  /** The JSON text of a message. */
  message(text: string): void;
  /** What a person should know of the connection. */
  note(text: string): void;
}

/** The feed sends something every few seconds; silence for this long is a dead connection. */
const SILENCE_MS = 60_000;
const MAX_ERROR_BYTES = 64 * 1024;
/** What a service says while it starts, stops or has too much to do, and a proxy in front of it. */
const PASSING: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const GONE = 410;

/**
 * Reads a change feed until the signal aborts, through any number of connections; the answer is the last cursor.
 * Rejects with `FEED_REFUSED` when the service won't have the subscription, and with `CONFIG_INVALID` for a file.
 */
export async function followFeed(
  options: FeedClientOptions,
  reader: FeedReader,
  signal: AbortSignal,
): Promise<string | undefined> {
  const backoff = new Backoff({ maxMs: 5_000 });
  let { cursor } = options;
  /** Whether the cursor is one that this very subscription was given. */
  let own = false;
  while (!signal.aborted) {
    let reason: string;
    try {
      const response = await connect(options, cursor, signal);
      if (response.statusCode === 200) {
        await read(response, (text, id) => {
          backoff.reset();
          if (id !== undefined) {
            cursor = id;
            own = true;
          }
          reader.message(text);
        });
        reason = "the feed ended";
      } else {
        reason = await refusal(response);
        if (response.statusCode === GONE && own) {
          reader.note(`changes were missed (${reason}); going on with what is new`);
          cursor = undefined;
          own = false;
        } else if (!PASSING.has(response.statusCode!)) {
          throw new BridgeError("FEED_REFUSED", `The service refused the subscription: ${reason}`);
        }
      }
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      reason = reasonOf(error);
    }
    if (signal.aborted) break;
    const waitMs = backoff.next();
    reader.note(`${reason}; trying again in ${(waitMs / 1_000).toFixed(1)} s`);
    await sleep(waitMs, signal);
  }
  return cursor;
}

async function connect(
  options: FeedClientOptions,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(options.url);
  if (cursor !== undefined) url.searchParams.set("cursor", cursor);
  const { tokenFile } = options;
  const token = tokenFile === undefined ? options.token : (await fileText(tokenFile)).trim();
  const settings: RequestOptions = {
    signal,
    timeout: SILENCE_MS,
    headers: {
      accept: "text/event-stream",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(await certificates(options)),
  };
  const request =
    url.protocol === "https:" ? httpsRequest(url, settings) : httpRequest(url, settings);
  request.once("timeout", () => request.destroy(new Error("the service has been silent")));
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

/** What TLS is made with, as the files are now. Rejects with `CONFIG_INVALID` for what can't be used. */
async function certificates({
  caFile,
  certFile,
  keyFile,
}: FeedClientOptions): Promise<RequestOptions> {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new BridgeError("CONFIG_INVALID", "--cert and --key go together; give both, or neither.");
  }
  const settings: { ca?: string; cert?: string; key?: string } = {};
  if (caFile !== undefined) {
    const ca = await fileText(caFile);
    settings.ca = ca;
    usable(caFile, "a certificate", () => new X509Certificate(ca));
  }
  if (certFile !== undefined && keyFile !== undefined) {
    const cert = await fileText(certFile);
    settings.cert = cert;
    usable(certFile, "a certificate", () => createSecureContext({ cert }));
    const key = await fileText(keyFile);
    settings.key = key;
    const what = `the key of ${quote(certFile)}, without a passphrase,`;
    usable(keyFile, what, () => createSecureContext({ cert, key }));
  }
  return settings;
}

/** OpenSSL's reason helps nobody, and the content of a key is never shown. */
function usable(file: string, what: string, use: () => unknown): void {
  try {
    use();
  } catch {
    const message = `The file ${quote(file)} does not hold ${what} in PEM format; give another one.`;
    throw new BridgeError("CONFIG_INVALID", message);
  }
}

const UNTRUSTED = /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/** Why there is no connection, and what helps where that is known. */
function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const hint = UNTRUSTED.test(code ?? "")
    ? " (give the authority of the service's certificate with --ca-cert)"
    : "";
  return messageOf(error) + hint;
}

async function read(
  response: IncomingMessage,
  message: (text: string, cursor: string | undefined) => void,
): Promise<void> {
  const parser = createParser({ onEvent: ({ data, id }) => message(data, id) });
  response.setEncoding("utf8");
  for await (const chunk of response) parser.feed(chunk as string);
}

/** What the service says is wrong, on one line. */
async function refusal(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += chunk as string;
    if (text.length > MAX_ERROR_BYTES) break;
  }
  let message = "";
  try {
    const body = JSON.parse(text) as { message?: unknown } | null;
    if (typeof body?.message === "string") message = `, ${body.message}`;
  } catch {
    // Whoever answers may be something else; the status says enough.
  }
  return `status ${response.statusCode}${message}`;
}

async function fileText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BridgeError(
      "CONFIG_INVALID",
      `The file ${quote(file)} can't be read (${code}); check its path.`,
    );
  }
}
