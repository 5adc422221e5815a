import type { AddressInfo } from "node:net";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import type { Bridge } from "../bridge.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import { type ApiError, apiErrorOf, invalidParameter } from "./api-errors.ts";
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
}

/** The service, listening. */
export interface PolicyServer {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests and waits for those under way, at most `shutdownGraceMs`. Idempotent. */
  close(): Promise<void>;
}

/** Serves a bridge over HTTP, with OPA's REST API. Rejects with `SERVER_LISTEN`. */
export async function startServer(bridge: Bridge, options: ServerOptions): Promise<PolicyServer> {
  const app = buildApp(bridge, options);
  const { host, port } = options;
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BridgeError(
      "SERVER_LISTEN",
      `The service can't listen on ${quote(`${host}:${port}`)} (${code ?? messageOf(error)}); give another address with server.addr or --addr.`,
      { cause: error },
    );
  }
  const address = app.server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  let closed: Promise<void> | undefined;
  return {
    url: `http://${shown}:${address.port}`,
    port: address.port,
    close: () => (closed ??= closeWithin(app, options.shutdownGraceMs)),
  };
}

/** The routes without a socket; `inject` asks them. */
export function buildApp(
  bridge: Bridge,
  options: Pick<ServerOptions, "maxBodyBytes">,
): FastifyInstance {
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    forceCloseConnections: "idle",
    routerOptions: {
      // A trailing slash means nothing, as in OPA.
      ignoreTrailingSlash: true,
      // A data path's wildcard is as long as its client likes; the URL's length bounds it.
      maxParamLength: 16_384,
    },
    frameworkErrors: (error, _request, reply) => void sendFrameworkError(reply, error),
  });
  // Bodies stay bytes: parsing them here would change what numbers look like.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError, _request, reply) => sendFrameworkError(reply, error));
  app.setNotFoundHandler((request, reply) => {
    const known = ["GET", "POST"].some((method) =>
      app.hasRoute({ method, url: request.url.split("?")[0]! }),
    );
    const isData = /^\/v1\/data(?:[/?]|$)/.test(request.url);
    if (known || isData) {
      return sendError(reply, {
        status: 405,
        code: "invalid_parameter",
        message: `method ${request.method} is not allowed here`,
      });
    }
    return sendError(reply, {
      status: 404,
      code: "resource_not_found",
      message: `there is no ${quote(request.url)}; decisions are at /v1/data/<path>`,
    });
  });
  dataRoutes(app, bridge);
  healthRoutes(app, bridge);
  return app;
}

/** Sends OPA's error body. */
export function sendError(reply: FastifyReply, { status, ...body }: ApiError): FastifyReply {
  return reply.code(status).type("application/json").send(JSON.stringify(body));
}

function sendFrameworkError(reply: FastifyReply, error: Error): FastifyReply {
  if (isBridgeError(error)) return sendError(reply, apiErrorOf(error));
  const { statusCode, code } = error as FastifyError;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return sendError(reply, { ...invalidParameter("request body too large"), status: 413 });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return sendError(reply, { ...invalidParameter(error.message), status: statusCode });
  }
  // What it was is for the log; a stranger learns nothing of the inside.
  reply.log.error({ err: error }, "a request failed");
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
