import type { FastifyRequest } from "fastify";
import { BridgeError, messageOf, quote } from "../../errors.ts";

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
