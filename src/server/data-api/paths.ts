import type { FastifyRequest } from "fastify";
import { BridgeError, messageOf, quote } from "../../errors.ts";

/**
 * The path behind its first `skip` segments as it stands, where none of it is escaped or empty: that is nearly
 * always, and quicker than to take it apart. Otherwise undefined.
 */
export function plainPath(request: FastifyRequest, skip: number): string | undefined {
  const url = request.raw.url!;
  const query = url.indexOf("?");
  const end = query < 0 ? url.length : query;
  let start = 0;
  for (let count = 0; count <= skip; count++) start = url.indexOf("/", start) + 1;
  const path = url.slice(start, end);
  return start >= end ||
    path.includes("%") ||
    path.includes("//") ||
    path.startsWith("/") ||
    path.endsWith("/")
    ? undefined
    : path;
}

/**
 * The segments of a request's path behind its first `skip` ones, decoded one by one, so that an escaped slash
 * belongs to its segment. Throws `PATH_INVALID`.
 */
export function dataPath(request: FastifyRequest, skip: number): string[] {
  const url = request.raw.url!;
  const query = url.indexOf("?");
  const pathname = query < 0 ? url : url.slice(0, query);
  const segments = pathname
    .split("/")
    .slice(1 + skip)
    .filter((segment) => segment !== "");
  if (!pathname.includes("%")) return segments;
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch (error) {
    throw new BridgeError(
      "PATH_INVALID",
      `The path ${quote(pathname)} is not percent-encoded UTF-8 (${messageOf(error)}).`,
    );
  }
}
