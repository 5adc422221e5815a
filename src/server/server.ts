import { STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
} from "fastify";
import type { Bridge } from "../bridge.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import type { AccessConfig } from "../config/types.ts";
import { publicConfig } from "../config/public.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import { type ApiError, apiErrorOf, invalidParameter, RequestError } from "./api-errors.ts";
import { type Access, guard, OPEN_ACCESS, prepareAccess } from "./access/access.ts";
import { followCertificates } from "./access/certificates.ts";
import { limitConcurrency } from "./access/limits.ts";
import { bodyReader } from "./data-api/context.ts";
import { dataApi } from "./data-api/data-api.ts";
import type { Gzip } from "./data-api/send.ts";
import { consoleRoutes } from "./console-routes.ts";
import { decisionRoutes } from "./decision-routes.ts";
import { feedRoutes } from "./feed-routes.ts";
import { healthRoutes } from "./health-routes.ts";
import { isLoopback, limitSockets, socketOptions } from "./sockets.ts";
import { metricsRoutes } from "./metrics-routes.ts";
import { bytesReader } from "./request-bytes.ts";
import { watchEnds } from "./request-ends.ts";
import { originForm } from "./request-target.ts";
import { handleByTurns } from "./turns.ts";
import { unknownRoutes } from "./unknown-routes.ts";
import { unsupportedRoutes } from "./unsupported-routes.ts";
import { writeRoutes } from "./write-routes.ts";

/** Who may ask is open to all, in plain text, where it isn't said. */
export interface ServerOptions extends Partial<AccessConfig> {
  /** An IP address or host name. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The largest request body. */
  readonly maxBodyBytes: number;
  /** How long a request may take to arrive, and an answer to be taken, in milliseconds. Default 60,000. */
  readonly requestTimeoutMs?: number;
  /** Default 1,000. */
  readonly maxConcurrentRequests?: number;
  /** Default 10,000. */
  readonly maxConnections?: number;
  /** How long a feed subscriber that was ended may take to read its last frame, in milliseconds. Default 5,000. */
  readonly lastFrameMs?: number;
  /** When answers are packed. Default: as in OPA. */
  readonly gzip?: Gzip;
  /** How long requests under way may take when the service stops, in milliseconds. */
  readonly shutdownGraceMs: number;
  /** Told what went wrong inside, which clients are not. Default: silent. */
  readonly logger?: Logger;
}

const OPAS_GZIP: Gzip = { minLength: 1_024, level: 9 };

/** What {@link buildApp} takes: as {@link startServer}, but for what is about listening. */
export type AppOptions = Omit<ServerOptions, "host" | "port" | "shutdownGraceMs">;

/** The service, listening. */
export interface PolicyServer {
  /** `http://host:port` */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Answers as before, but from now on `/health?plugins` says that the service is stopping. */
  drain(): void;
  /** Refuses new requests and waits for those under way, at most `shutdownGraceMs`. Idempotent. */
  close(): Promise<void>;
}

/** Serves a bridge over HTTP, with OPA's REST API. Rejects with `SERVER_LISTEN`, or `CONFIG_INVALID` for a file. */
export async function startServer(bridge: Bridge, options: ServerOptions): Promise<PolicyServer> {
  let stopping = false;
  const drain = (): void => {
    stopping = true;
  };
  const { host, port, logger = silentLogger } = options;
  const access = await prepareAccess(options, logger);
  const app = buildApp(bridge, options, () => stopping, access);
  followCertificates(app, options, logger);
  if (access.authentication === undefined && !isLoopback(host)) {
    logger.warn(
      { host },
      "everybody who reaches this address may ask: set server.authentication, or listen on 127.0.0.1",
    );
  }
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BridgeError(
      "SERVER_LISTEN",
      `The service can't listen on ${quote(`${host}:${port}`)} (${code ?? messageOf(error)}); stop what listens there, or give another address (serve: server.addr or --addr; demo: --port).`,
      { cause: error },
    );
  }
  const address = app.server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  let closed: Promise<void> | undefined;
  return {
    url: `${access.tls === undefined ? "http" : "https"}://${shown}:${address.port}`,
    port: address.port,
    drain,
    close: () => (closed ??= closeWithin(app, options.shutdownGraceMs)),
  };
}

/** The routes without a socket; `inject` asks them. */
export function buildApp(
  bridge: Bridge,
  options: AppOptions,
  isStopping: () => boolean = () => false,
  access: Access = OPEN_ACCESS,
): FastifyInstance {
  const { maxBodyBytes, gzip = OPAS_GZIP, lastFrameMs = 5_000, logger = silentLogger } = options;
  const limits = {
    requestTimeoutMs: options.requestTimeoutMs ?? 60_000,
    maxConnections: options.maxConnections ?? 10_000,
    answerMs: bridge.config.policy.queryTimeoutMs,
  };
  const app = Fastify({
    ...socketOptions(limits, access.tls),
    requestTimeout: limits.requestTimeoutMs,
    rewriteUrl: ({ url }) => originForm(url!),
    routerOptions: {
      // A trailing slash means nothing, as in OPA.
      ignoreTrailingSlash: true,
      // A data path's wildcard is as long as its client likes; the URL's length bounds it.
      maxParamLength: 16_384,
    },
    frameworkErrors: (error, _request, reply) => void sendFailure(reply, error, logger),
    clientErrorHandler: refuseConnection,
  } as FastifyServerOptions) as FastifyInstance;
  limitSockets(app, limits);
  // Bodies stay bytes: parsing them here would change what numbers look like.
  app.removeAllContentTypeParsers();
  // By its name the usual type is found without being taken apart at every request.
  app.addContentTypeParser(["application/json", "*"], bytesReader(maxBodyBytes));
  app.setErrorHandler((error: Error, _request, reply) => sendFailure(reply, error, logger));
  const unknown = unknownRoutes(app);
  app.setNotFoundHandler(({ method, url }, reply) => {
    const { error, allow } = unknown(method, url);
    return sendError(allow === undefined ? reply : reply.header("allow", allow), error);
  });
  closeAfterAnswer(app);
  const onEnd = watchEnds(app);
  limitConcurrency(app, onEnd, options.maxConcurrentRequests ?? 1_000);
  handleByTurns(app);
  const body = bodyReader(maxBodyBytes);
  guard(app, bridge, access, body);
  dataApi(app, bridge, { maxBodyBytes, gzip, body });
  writeRoutes(app, bridge, body);
  app.get("/v1/config", async () => ({ result: publicConfig(bridge.config) }));
  unsupportedRoutes(app);
  healthRoutes(app, bridge, isStopping);
  metricsRoutes(app, onEnd, bridge.metrics);
  feedRoutes(app, bridge.feed, { logger, lastFrameMs });
  decisionRoutes(app, bridge.recording?.recent);
  consoleRoutes(app);
  return app;
}

/** A connection that is kept alive would keep a server that closes; so what is under way ends its own. */
function closeAfterAnswer(app: FastifyInstance): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (closing) reply.header("connection", "close");
    done();
  });
}

/** What is not even HTTP. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status =
    error.code === "HPE_HEADER_OVERFLOW"
      ? 431
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? 408
        : 400;
  const reason = STATUS_CODES[status]!;
  const body = JSON.stringify({ code: "invalid_parameter", message: reason.toLowerCase() });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function sendError(reply: FastifyReply, { status, ...body }: ApiError): FastifyReply {
  return reply.code(status).type("application/json").send(JSON.stringify(body));
}

function sendFailure(reply: FastifyReply, error: Error, logger: Logger): FastifyReply {
  if (isBridgeError(error)) return sendError(reply, apiErrorOf(error));
  if (error instanceof RequestError) return sendError(reply, error.apiError);
  const { statusCode } = error as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return sendError(reply, invalidParameter(error.message, statusCode));
  }
  // What it was is for the log; a stranger learns nothing of the inside.
  logger.error({ error: error.stack ?? error.message }, "a request failed");
  return sendError(reply, { status: 500, code: "internal_error", message: "internal error" });
}

async function closeWithin(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}
