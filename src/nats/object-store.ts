import { createHash } from "node:crypto";
import { consumerOpts, type JetStreamSubscription, type NatsConnection, NatsError } from "nats";
import { deferred, sleep, within } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import type { NatsLink } from "./connection.ts";

/** An object as its store describes it. */
export interface StoredObject {
  /** Another for each time that the object is put. */
  readonly id: string;
  readonly bytes: number;
  /** SHA-256 of the content, in base64url. */
  readonly digest: string;
}

/** Objects of NATS object stores, to be read and followed. Never creates a store. */
export interface ObjectReader {
  /**
   * What there is now; undefined where there is no such object. Waits for a connection. Rejects with
   * `BUNDLE_DOWNLOAD`.
   */
  find(store: string, name: string): Promise<StoredObject | undefined>;
  /** The content, checked by size and digest. Rejects with `BUNDLE_DOWNLOAD`. */
  read(store: string, object: StoredObject): Promise<Buffer>;
  /**
   * Calls the listener when the object may have changed, and whenever a connection is made; the answer ends that.
   * It is a hint: `find` tells.
   */
  watch(store: string, name: string, changed: () => void): () => void;
}

/** What a store keeps of an object, as far as it is read here. */
interface Meta {
  readonly nuid?: string;
  readonly size?: number;
  readonly digest?: string;
  readonly deleted?: boolean;
  readonly options?: { readonly link?: unknown };
}

const DIGEST = /^SHA-256=([\w-]{43})=?$/;
const NOT_FOUND = "404";

/** The object stores at the other end of a connection. */
export function objectsOf(link: NatsLink): ObjectReader {
  return {
    async find(store, name) {
      const connection = await link.connection();
      try {
        const manager = await connection.jetstreamManager({
          checkAPI: false,
          timeout: link.timeoutMs,
        });
        const query = { last_by_subj: metaSubject(store, name) };
        const message = await manager.streams.getMessage(streamOf(store), query);
        return described(JSON.parse(Buffer.from(message.data).toString("utf8")) as Meta);
      } catch (error) {
        const { code, message } = error as { code?: string; message?: string };
        // The stream's own absence has the same code.
        if (code === NOT_FOUND && message !== "stream not found") return undefined;
        throw failure(store, quote(name), error);
      }
    },
    async read(store, object) {
      const connection = await link.connection();
      try {
        return await contentOf(connection, store, object, link);
      } catch (error) {
        throw failure(store, object.id, error);
      }
    },
    watch(store, name, changed) {
      const stop = new AbortController();
      void follow(link, store, name, changed, stop.signal);
      return () => stop.abort();
    },
  };
}

async function contentOf(
  connection: NatsConnection,
  store: string,
  { id, bytes, digest }: StoredObject,
  link: NatsLink,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  if (bytes > 0) {
    const subscription = await subscribe(connection, streamOf(store), `$O.${store}.C.${id}`, false);
    const messages = subscription[Symbol.asyncIterator]();
    const denied = deferred<never>();
    denied.promise.catch(() => undefined);
    // Without the right to answer flow control the server stops delivering, in silence.
    const unlisten = link.onDenied((subject) => {
      if (isFlowControl(subject, store)) denied.reject(new Forbidden("publish", FLOW_CONTROL));
    });
    try {
      while (total < bytes) {
        const next = await within(
          link.timeoutMs,
          Promise.race([messages.next(), denied.promise]),
          () => new Error("it came to a halt"),
        );
        if (next.done === true) throw new Error("the connection was lost");
        const { data } = next.value;
        total += data.length;
        chunks.push(data);
      }
    } finally {
      unlisten();
      subscription.unsubscribe();
    }
  }
  const content = Buffer.concat(chunks);
  const found = createHash("sha256").update(content).digest("base64url");
  if (total !== bytes || found !== digest) throw new Error("its content does not have its digest");
  return content;
}

/** Listens to the object's description, over one connection after the other. */
async function follow(
  link: NatsLink,
  store: string,
  name: string,
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      const connection = await link.connection();
      const subscription = await subscribe(
        connection,
        streamOf(store),
        metaSubject(store, name),
        true,
      );
      const end = (): void => subscription.unsubscribe();
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      backoff.reset();
      // What happened before the subscription stood.
      changed();
      for await (const _ of subscription) changed();
      signal.removeEventListener("abort", end);
    } catch {
      if (link.state === "closed" || link.state === "failed") return;
      // There may be no store yet, or no right to listen to it; looking again and again still finds what is new.
      changed();
    }
    await sleep(backoff.next(), signal);
  }
}

function subscribe(
  connection: NatsConnection,
  stream: string,
  subject: string,
  isLive: boolean,
): Promise<JetStreamSubscription> {
  const options = consumerOpts();
  options.orderedConsumer();
  // Else the client would ask which stream it is, for which a user may have no right.
  options.bindStream(stream);
  if (isLive) options.deliverNew();
  return connection.jetstream().subscribe(subject, options);
}

function described({ nuid, size, digest, deleted, options }: Meta): StoredObject | undefined {
  if (deleted === true) return undefined;
  if (options?.link !== undefined) throw new Error("it is a link to another object");
  const [, sha256] = DIGEST.exec(digest ?? "") ?? [];
  if (typeof nuid !== "string" || !/^\w+$/.test(nuid) || sha256 === undefined) {
    throw new Error("its description can't be read");
  }
  return { id: nuid, bytes: size ?? 0, digest: sha256 };
}

function streamOf(store: string): string {
  return `OBJ_${store}`;
}

function metaSubject(store: string, name: string): string {
  // Base64 for URLs, with its padding.
  const encoded = Buffer.from(name).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  return `$O.${store}.M.${encoded}`;
}

const FLOW_CONTROL = "$JS.FC.>";

function isFlowControl(subject: string, store: string): boolean {
  return subject.startsWith("$JS.FC.") && subject.split(".").includes(streamOf(store));
}

/** What the NATS user may not do. */
class Forbidden extends Error {
  constructor(operation: string, subject: string) {
    super(`${operation} on ${quote(subject)} is not permitted`);
  }
}

function failure(store: string, what: string, error: unknown): BridgeError {
  const cause = forbidden(error) ?? error;
  const remedy =
    cause instanceof Forbidden
      ? 'grant it to the NATS user (README, "Permissions")'
      : "check the store, and that the NATS user may read it";
  const message = `Object ${what} of the NATS object store ${quote(store)} can't be had (${messageOf(cause)}); ${remedy}.`;
  return new BridgeError("BUNDLE_DOWNLOAD", message, { cause: error });
}

function forbidden(error: unknown): Forbidden | undefined {
  if (!(error instanceof NatsError) || !error.isPermissionError()) return undefined;
  const { operation, subject } = error.permissionContext ?? {};
  return new Forbidden(operation ?? "a request", subject ?? "?");
}
