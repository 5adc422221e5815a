import { STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import type { Bridge } from "../bridge.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import {
  type ApiError,
  apiErrorOf,
  BODY_TOO_LARGE,
  invalidParameter,
  RequestError,
} from "./api-errors.ts";
import { dataRoutes } from "./data-routes.ts";
import { healthRoutes } from "./health-routes.ts";

export interface ServerOptions {
  /** An IP address or host name. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  /** How long requests under way may take when the service stops, in milliseconds. */
  readonly shutdownGraceMs: number;
  /** Told what went wrong inside, which clients are not. Default: silent. */
  readonly logger?: Logger;
}

/** The service, listening. */
export interface PolicyServer {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Answers as before, but from now on `/health?plugins` says that the service is stopping. */
  drain(): void;
  /** Refuses new requests and waits for those under way, at most `shutdownGraceMs`. Idempotent. */
  close(): Promise<void>;
}

/** Serves a bridge over HTTP, with OPA's REST API. Rejects with `SERVER_LISTEN`. */
export async function startServer(bridge: Bridge, options: ServerOptions): Promise<PolicyServer> {
  let stopping = false;
  const drain = (): void => {
    stopping = true;
  };
  const app = buildApp(bridge, options, () => stopping);
  const { host, port } = options;
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
    url: `http://${shown}:${address.port}`,
    port: address.port,
    drain,
    close: () => (closed ??= closeWithin(app, options.shutdownGraceMs)),
  };
}

/** A request that is not all there after this long is given up, so that nobody can hold connections for nothing. */
const REQUEST_TIMEOUT_MS = 60_000;

/** The routes without a socket; `inject` asks them. */
export function buildApp(
  bridge: Bridge,
  { maxBodyBytes, logger = silentLogger }: Pick<ServerOptions, "maxBodyBytes" | "logger">,
  isStopping: () => boolean = () => false,
): FastifyInstance {
  const app = Fastify({
    bodyLimit: maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: {
      // A trailing slash means nothing, as in OPA.
      ignoreTrailingSlash: true,
      // A data path's wildcard is as long as its client likes; the URL's length bounds it.
      maxParamLength: 16_384,
    },
    frameworkErrors: (error, _request, reply) => void sendFailure(reply, error, logger),
    clientErrorHandler: refuseConnection,
  });
  // Bodies stay bytes: parsing them here would change what numbers look like.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error, _request, reply) => sendFailure(reply, error, logger));
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split("?", 1);
    const isData = /^\/v1\/data(?:\/|$)/.test(path!);
    const url = isData ? "/v1/data" : path!.replace(/\/$/, "");
    const allowed = ["GET", "HEAD", "POST"].filter((method) => app.hasRoute({ method, url }));
    if (allowed.length > 0) {
      const message = `method ${request.method} is not allowed here`;
      return sendError(reply.header("allow", allowed.join(", ")), invalidParameter(message, 405));
    }
    return sendError(reply, {
      status: 404,
      code: "resource_not_found",
      message: `there is no ${quote(request.url)}; decisions are at /v1/data/<path>`,
    });
  });
  closeAfterAnswer(app);
  dataRoutes(app, bridge, maxBodyBytes);
  healthRoutes(app, bridge, isStopping);
  return app;
}

/** A connection that is kept alive would keep a server that closes; so what is under way ends its own. */
function closeAfterAnswer(app: FastifyInstance): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  app.addHook("onSend", async (_request, reply) => {
    if (closing) reply.header("connection", "close");
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
  const { statusCode, code } = error as FastifyError;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return sendError(reply, BODY_TOO_LARGE);
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
