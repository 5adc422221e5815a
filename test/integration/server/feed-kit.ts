import { WebSocket } from "ws";
import { FeedClient } from "../../unit/feed/feed-client.ts";

/** A subscriber over HTTP, and what it was told. */
export interface Subscriber extends Disposable {
  readonly client: FeedClient;
  /** Ids of the events, or cursors of the messages. */
  readonly cursors: string[];
  /** Resolves once the connection is over. */
  readonly closed: Promise<void>;
}

/** Reads server-sent events; `slow` is awaited between two pieces. */
export async function readEvents(
  url: string,
  headers: Record<string, string> = {},
  slow?: () => Promise<void>,
): Promise<Subscriber> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const client = new FeedClient();
  const cursors: string[] = [];
  const closed = (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of response.body!) {
      rest += decoder.decode(bytes, { stream: true });
      const events = rest.split("\n\n");
      rest = events.pop()!;
      for (const event of events) takeEvent(event, client, cursors);
      await slow?.();
    }
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  return { client, cursors, closed, [Symbol.dispose]: () => abort.abort() };
}

function takeEvent(event: string, client: FeedClient, cursors: string[]): void {
  const data: string[] = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("id: ")) cursors.push(line.slice(4));
    else if (line.startsWith("data: ")) data.push(line.slice(6));
    else throw new Error(`not a line of an event: ${line}`);
  }
  client.take(data.join("\n"));
}

/** Reads a WebSocket; rejects when it is refused. */
export async function readSocket(
  url: string,
  headers: Record<string, string> = {},
): Promise<Subscriber & { socket: WebSocket }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), { headers });
  const client = new FeedClient();
  const cursors: string[] = [];
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("message", (data: Buffer) => {
    const { cursor } = client.take(data.toString("utf8"));
    if (cursor !== undefined) cursors.push(cursor);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
  });
  return { client, cursors, closed, socket, [Symbol.dispose]: () => socket.terminate() };
}
