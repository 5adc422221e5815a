import type { FastifyInstance } from "fastify";
import { quote } from "../errors.ts";
import { type ApiError, invalidParameter } from "./api-errors.ts";

/**
 * Collects the routes that are added from now on, and says of a request that none of them takes whether another method
 * would do. Its path is looked up as it is: asked as a route, a path could be a pattern that can't be read.
 */
export function unknownRoutes(
  app: FastifyInstance,
): (method: string, url: string) => { readonly error: ApiError; readonly allow?: string } {
  const methods = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const known = methods.get(url) ?? new Set();
    methods.set(url, known);
    for (const one of [method].flat()) known.add(one);
  });
  return (method, url) => {
    const [path] = url.split("?", 1);
    const [data] = /^\/(?:v0\/data|v1\/data|v1\/batch\/data)(?=\/|$)/.exec(path!) ?? [];
    const known = methods.get(data ?? (path!.replace(/\/$/, "") || "/"));
    const allowed = ["GET", "HEAD", "POST"].filter((one) => known?.has(one));
    if (allowed.length > 0) {
      const error = invalidParameter(`method ${method} is not allowed here`, 405);
      return { error, allow: allowed.join(", ") };
    }
    const message = `there is no ${quote(url)}; decisions are at /v1/data/<path>`;
    return { error: { status: 404, code: "resource_not_found", message } };
  };
}
