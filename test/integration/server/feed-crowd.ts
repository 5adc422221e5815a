import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { createWebSocketStream, WebSocket } from "ws";
import type { PolicyStore } from "../../../src/store/policy-store.ts";
import { type History, Told, wantedOf } from "../../unit/feed/told.ts";

const MOST_LEAVES = 4;

export interface Manner {
  readonly transport: "events" | "socket";
  readonly snapshot: boolean;
  /** Only this bucket; default: all. */
  readonly bucket?: string | undefined;
  /** Turns of others between two messages; or what is awaited before the first byte is read. */
  readonly pause: number | Promise<unknown>;
  /** Leaves after so many messages of changes and comes again at once with its cursor, at most {@link MOST_LEAVES} times. */
  readonly leavesAfter: number;
}

/** A subscriber over HTTP that comes, reads and goes in its manner, and checks what it is told. */
export class HttpFollower {
  readonly told: Told;
  /** How often its cursor was refused, as one that is no longer kept. */
  refused = 0;
  readonly #url: string;
  readonly #manner: Manner;

  constructor(url: string, history: History, manner: Manner) {
    this.#url = url;
    this.#manner = manner;
    this.told = new Told(history, manner.bucket);
  }

  /** A store's contents, as far as it asks for them. */
  wanted(store: PolicyStore): Record<string, Record<string, string>> {
    return wantedOf(store, this.#manner.bucket);
  }

  /** Reads, goes and comes until the feed stops. `onOpen` is told when it is connected for the first time. */
  async run(onOpen: () => void): Promise<void> {
    const { pause, leavesAfter } = this.#manner;
    const turns = typeof pause === "number" ? pause : 0;
    let cursor: string | undefined;
    for (let waits = typeof pause !== "number"; ;) {
      const connection = await this.#open(cursor);
      if (connection === undefined) {
        this.refused++;
        this.told.startAnew();
        cursor = undefined;
        continue;
      }
      onOpen();
      if (waits) await pause;
      waits = false;
      let changes = 0;
      for await (const text of connection) {
        this.told.take(text);
        if (this.told.client.end !== undefined) break;
        for (let count = 0; count < turns; count++) await turn();
        if (text.startsWith('{"type":"change"')) changes++;
        if (changes >= leavesAfter && this.told.rejoined < MOST_LEAVES) break;
      }
      if (this.told.ends.at(-1) === "stopping") return;
      cursor = this.told.comeAgain();
    }
  }

  /** The messages; undefined where the cursor is refused. Connected once it resolves. */
  async #open(cursor: string | undefined): Promise<AsyncIterable<string> | undefined> {
    const { transport, snapshot, bucket } = this.#manner;
    const url = new URL(this.#url);
    if (snapshot) url.searchParams.set("snapshot", "true");
    if (bucket !== undefined) url.searchParams.set("bucket", bucket);
    if (cursor !== undefined) url.searchParams.set("cursor", cursor);
    return transport === "events" ? openEvents(url) : openSocket(url);
  }
}

async function openEvents(url: URL): Promise<AsyncIterable<string> | undefined> {
  const request = get(url, { agent: new Agent() });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  // From now on it is the response that tells.
  request.on("error", () => undefined);
  if (response.statusCode === 200) return untilCut(messagesOf(response));
  response.resume();
  if (response.statusCode === 410) return undefined;
  throw new Error(`${url.search}: ${response.statusCode}`);
}

async function* messagesOf(response: IncomingMessage): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of response.setEncoding("utf8")) {
    const events = (rest + text).split("\n\n");
    rest = events.pop()!;
    for (const event of events) yield event.slice(event.indexOf("data: ") + "data: ".length);
  }
}

async function openSocket(url: URL): Promise<AsyncIterable<string> | undefined> {
  url.protocol = "ws:";
  const socket = new WebSocket(url);
  // Paused until it is read, so that it isn't read for whoever does not.
  const stream = createWebSocketStream(socket, { readableObjectMode: true, encoding: "utf8" });
  stream.on("error", () => undefined);
  const opened = once(socket, "open").then(
    () => true,
    () => false,
  );
  const refused = once(socket, "unexpected-response").then(([, response]) => {
    const { statusCode } = response as IncomingMessage;
    socket.terminate();
    if (statusCode !== 410) throw new Error(`${url.search}: ${statusCode}`);
    return false;
  });
  return (await Promise.race([opened, refused])) ? untilCut(stream) : undefined;
}

/** Ends where the connection is cut, as it is for those who are ended and do not read their last message. */
async function* untilCut(messages: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  try {
    yield* messages;
  } catch {
    return undefined;
  }
}
