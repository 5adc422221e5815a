import type { TLSSocket } from "node:tls";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type ApiError, RequestError } from "../api-errors.ts";
import { markStranger, setIdentity } from "./identity.ts";
import type { TokenFile } from "./token-file.ts";

/**
 * How callers show who they are. Without tokens of its own, `token` accepts any and leaves it to the
 * authorization policy, as OPA does.
 */
export type Authentication =
  { readonly kind: "token"; readonly tokens: TokenFile | undefined } | { readonly kind: "tls" };

const UNAUTHORIZED: ApiError = {
  status: 401,
  code: "unauthorized",
  message: "authentication required",
};

/** Refuses requests of unknown callers before their bodies are read; what is open to all is not asked. */
export function authenticate(app: FastifyInstance, how: Authentication): void {
  app.addHook("onRequest", async (request, reply) => {
    if (how.kind === "tls") {
      // The handshake has refused every client without a certificate of the authority.
      setIdentity(request, subjectOf(request.raw.socket as TLSSocket));
      return;
    }
    const token = bearerToken(request);
    const identity = how.tokens === undefined ? token : await known(how.tokens, token);
    if (identity !== undefined) setIdentity(request, identity);
    else if (how.tokens === undefined || isOpen(request)) markStranger(request);
    else {
      reply.header("www-authenticate", "Bearer");
      throw new RequestError(UNAUTHORIZED);
    }
  });
}

async function known(tokens: TokenFile, token: string | undefined): Promise<string | undefined> {
  return token === undefined ? undefined : tokens.identityOf(token);
}

function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^bearer +([^\s]+) *$/i.exec(headers.authorization ?? "")?.[1];
}

/** `/health` is for probes, and the files of the console hold nothing secret: the page asks for a token itself. */
function isOpen({ method, raw }: FastifyRequest): boolean {
  return (
    (method === "GET" || method === "HEAD") && /^\/(?:health|console)(?:[/?]|$)/.test(raw.url!)
  );
}

/** The distinguished name of a client's certificate in the form of RFC 2253, as OPA gives it to policies. */
function subjectOf(socket: TLSSocket): string {
  const subject = socket.getPeerX509Certificate()?.subject ?? "";
  return subject.split("\n").toReversed().join(",");
}
