import { once } from "node:events";
import type { Server } from "node:http";
import { Readable } from "node:stream";
import websocket from "@fastify/websocket";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import type { Logger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import type { ChangeFeed, SubscribeOptions } from "../feed/change-feed.ts";
import type { FeedSubscription } from "../feed/subscription.ts";
import { apiErrorOf } from "./api-errors.ts";
import { type QueryParameters, valuesOf } from "./query-flags.ts";
import { webSocketsAt } from "./upgrades.ts";

const KEEP_ALIVE_MS = 30_000;
/** A client has nothing to say. */
const MAX_MESSAGE_BYTES = 1_024;

export interface FeedRouteOptions {
  readonly logger: Logger;
  /** How long a subscriber that was ended may take to read its last frame, in milliseconds. */
  readonly lastFrameMs: number;
}

/**
 * The change feed, `GET /v1/feed`: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html),
 * or a WebSocket when the client asks for one (RFC 6455). What is wrong with a subscription is said before it starts.
 */
export function feedRoutes(
  app: FastifyInstance,
  feed: ChangeFeed,
  { logger, lastFrameMs }: FeedRouteOptions,
): void {
  const open = new Set<FeedSubscription>();
  const subscriptions = new WeakMap<FastifyRequest, FeedSubscription>();
  const subscribe = (request: FastifyRequest): FeedSubscription => {
    const subscription = feed.subscribe(optionsOf(request));
    open.add(subscription);
    const { socket } = request.raw;
    // Whoever reads slowly is the feed's to judge.
    socket.setTimeout(0);
    // A peer that is gone without a word is noticed, though nothing is to be said to it.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once("close", () => done(subscription));
    return subscription;
  };
  const done = (subscription: FeedSubscription): void => {
    subscription.close();
    open.delete(subscription);
  };

  app.addHook("preClose", async () => {
    for (const subscription of open) subscription.endWith("stopping");
  });
  app.register(async (scope) => {
    await scope.register(websocket, {
      options: {
        maxPayload: MAX_MESSAGE_BYTES,
        perMessageDeflate: false,
        // Of a server, only its event is used.
        server: webSocketsAt("/v1/feed", app.server) as Server,
      },
      errorHandler: (error, socket) => {
        logger.error({ error: messageOf(error) }, "a feed subscriber failed");
        socket.terminate();
      },
      // Subscribers are sent their last frame first.
      preClose: (closed) => closed(),
    });
    // A handshake that was refused is answered on a socket which is no longer the HTTP server's to close.
    scope.addHook("onResponse", async ({ raw }) => {
      if (raw.headers.upgrade !== undefined) raw.socket.destroySoon();
    });
    scope.route({
      method: "GET",
      url: "/v1/feed",
      exposeHeadRoute: false,
      preHandler: async (request, reply) => {
        try {
          subscriptions.set(request, subscribe(request));
        } catch (error) {
          if (isBridgeError(error)) return refuse(reply, error, feed.floor);
          throw error;
        }
      },
      handler: (request, reply) => {
        const subscription = subscriptions.get(request)!;
        const body = Readable.from(events(subscription), { objectMode: true, highWaterMark: 1 });
        subscription.ended.addEventListener("abort", () => {
          setTimeout(() => reply.raw.destroy(), lastFrameMs).unref();
        });
        body.once("close", () => done(subscription));
        return (
          reply
            .type("text/event-stream")
            .header("cache-control", "no-store")
            .header("x-accel-buffering", "no")
            // Kept alive, it would keep a server that stops.
            .header("connection", "close")
            .send(body)
        );
      },
      wsHandler: async (socket, request) => {
        const subscription = subscriptions.get(request)!;
        try {
          await sendFrames(socket, subscription, lastFrameMs);
        } finally {
          done(subscription);
        }
      },
    });
  });
}

const PARAMETERS = ["bucket", "prefix", "cursor", "snapshot"];

function optionsOf(request: FastifyRequest): SubscribeOptions {
  const query = request.query as QueryParameters;
  const unknown = Object.keys(query).find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) {
    throw new BridgeError(
      "FEED_FILTER",
      `The feed has no parameter ${quote(unknown)}; use ${PARAMETERS.join(", ")}.`,
    );
  }
  const last = request.headers["last-event-id"];
  const cursors = valuesOf(query, "cursor");
  if (cursors.length > 1) {
    throw new BridgeError("FEED_CURSOR_INVALID", "The feed was given more than one cursor.");
  }
  return {
    buckets: valuesOf(query, "bucket"),
    prefixes: valuesOf(query, "prefix"),
    // A browser connects again with the URL of its first request: what it has seen since counts.
    cursor: typeof last === "string" && last !== "" ? last : cursors[0],
    snapshot: snapshotOf(valuesOf(query, "snapshot")),
  };
}

function snapshotOf(values: readonly string[]): boolean {
  const [value = "false", ...others] = values;
  if (others.length === 0 && ["", "true", "false"].includes(value)) return value !== "false";
  throw new BridgeError(
    "FEED_FILTER",
    `The parameter snapshot is ${quote(values)}; give true or false.`,
  );
}

function refuse(reply: FastifyReply, error: BridgeError, floor: string): FastifyReply {
  const { status, ...body } = apiErrorOf(error);
  const hasFloor = error.code.startsWith("FEED_CURSOR");
  return reply
    .code(status)
    .type("application/json")
    .send(JSON.stringify(hasFloor ? { ...body, floor } : body));
}

/** Each frame as an event, with its cursor as the id. */
async function* events(subscription: FeedSubscription): AsyncGenerator<string, undefined> {
  try {
    for (;;) {
      const frames = await subscription.next();
      if (frames === undefined) return undefined;
      let text = "";
      for (const frame of frames) {
        if (frame.cursor !== undefined) text += `id: ${frame.cursor}\n`;
        // A value may have line breaks, as whitespace between its tokens.
        text += `data: ${frame.text.replaceAll(/\r\n|\r|\n/g, "\ndata: ")}\n\n`;
      }
      yield text;
    }
  } finally {
    subscription.close();
  }
}

/** Sends a batch when the one before is on its way, until the client is gone or the feed has ended it. */
async function sendFrames(
  socket: WebSocket,
  subscription: FeedSubscription,
  lastFrameMs: number,
): Promise<void> {
  const closed = once(socket, "close").then(
    () => subscription.close(),
    () => socket.terminate(),
  );
  socket.on("message", () => {
    socket.close(1008, "the feed takes no messages");
    subscription.close();
  });
  subscription.ended.addEventListener("abort", () => {
    setTimeout(() => socket.terminate(), lastFrameMs).unref();
  });
  for (;;) {
    const frames = await subscription.next();
    if (frames === undefined) break;
    const sent = frames.map((frame) => {
      return new Promise<boolean>((resolve) => socket.send(frame.text, (error) => resolve(!error)));
    });
    if (!(await Promise.all(sent)).every(Boolean)) break;
  }
  socket.close(subscription.ended.aborted ? 1001 : 1000);
  await closed;
}
