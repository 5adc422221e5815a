import { promisify } from "node:util";
import { gzip as gzipCallback } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Soon } from "../../common/async.ts";
import { indentJson } from "../pretty.ts";
import { flag, type QueryParameters } from "../query-flags.ts";

/** When answers are packed. */
export interface Gzip {
  /** The shortest answer that is packed, in bytes. */
  readonly minLength: number;
  /** 1 to 9, as in zlib. */
  readonly level: number;
}

const gzipText = promisify(gzipCallback) as (
  text: string,
  options: { level: number },
) => Promise<Buffer>;

/** Sends a JSON text: indented where `pretty` asks for it, packed where the client takes that and it is worth it. */
export function sendJson(
  request: FastifyRequest,
  reply: FastifyReply,
  json: string,
  { minLength, level }: Gzip,
): Soon<void> {
  const body = flag(request.query as QueryParameters, "pretty") ? indentJson(json) : json;
  reply.header("content-type", "application/json");
  if (body.length < minLength || !takesGzip(request.headers["accept-encoding"])) {
    reply.send(body);
    return undefined;
  }
  reply.header("content-encoding", "gzip").header("vary", "accept-encoding");
  return gzipText(body, { level }).then((packed) => void reply.send(packed));
}

function takesGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  return String(header)
    .split(",")
    .some((one) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(one));
}
