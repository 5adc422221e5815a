import type { FastifyInstance } from "fastify";
import type { Bridge } from "../../bridge.ts";
import type { Logger } from "../../common/logger.ts";
import type { AccessConfig } from "../../config/types.ts";
import type { DataApi } from "../data-api/context.ts";
import { type Authentication, authenticate } from "./authentication.ts";
import { authorize } from "./authorization.ts";
import { type ServerTls, tlsOf } from "./certificates.ts";
import { TokenFile } from "./token-file.ts";

/** Who may ask, with every file read. */
export interface Access {
  readonly authentication: Authentication | undefined;
  /** The decision that lets requests pass; undefined: all may. */
  readonly authorization: string | undefined;
  readonly tls: ServerTls | undefined;
}

/** Everybody may ask, in plain text. */
export const OPEN_ACCESS: Access = {
  authentication: undefined,
  authorization: undefined,
  tls: undefined,
};

/** Reads the files that the configuration names. Rejects with `CONFIG_INVALID`. */
export async function prepareAccess(
  config: Partial<AccessConfig>,
  logger: Logger,
): Promise<Access> {
  const {
    authentication,
    authorization,
    authorizationDecision = "/system/authz/allow",
    tokenFile,
  } = config;
  return {
    authentication:
      authentication === "token"
        ? { kind: "token", tokens: await tokensOf(tokenFile, logger) }
        : authentication === "tls"
          ? { kind: "tls" }
          : undefined,
    authorization: authorization === "basic" ? authorizationDecision : undefined,
    tls: await tlsOf(config),
  };
}

/** Asks everybody who they are, and the policy whether they may. Comes before the routes. */
export function guard(
  app: FastifyInstance,
  bridge: Bridge,
  { authentication, authorization }: Access,
  body: DataApi["body"],
): void {
  if (authentication !== undefined) authenticate(app, authentication);
  if (authorization !== undefined) authorize(app, bridge, authorization, body);
}

async function tokensOf(file: string | undefined, logger: Logger): Promise<TokenFile | undefined> {
  return file === undefined ? undefined : TokenFile.open(file, logger);
}
