import type { FastifyInstance, FastifyRequest } from "fastify";
import { RequestError } from "../api-errors.ts";
import type { QueryParameters } from "../query-flags.ts";
import { answer } from "./answer.ts";
import type { DataApi, Handler } from "./context.ts";
import { dataPath } from "./paths.ts";
import { sendJson } from "./send.ts";

/**
 * OPA's webhooks: `POST /v0/data/<path>`, and `POST /` for the default decision. The body is the input, and the
 * answer is the result, neither wrapped.
 */
export function plainRoutes(app: FastifyInstance, api: DataApi): void {
  const handler =
    (pathOf: (request: FastifyRequest) => readonly string[]): Handler =>
    async (request, reply) => {
      const path = pathOf(request);
      // As in OPA, no body is an input of null.
      const input = (await api.body(request)) ?? "null";
      const query = request.query as QueryParameters;
      const { result } = await answer(api, query, { path, input }, api.logContext?.(request));
      if (result === undefined) throw undefinedDocument(path);
      return sendJson(request, reply, result, api.gzip);
    };

  const webhook = handler((request) => dataPath(request, 2));
  app.post("/v0/data", webhook);
  app.post("/v0/data/*", webhook);
  const decision = api.bridge.config.defaultDecision.split("/").filter((name) => name !== "");
  app.post(
    "/",
    handler(() => decision),
  );
}

function undefinedDocument(path: readonly string[]): RequestError {
  return new RequestError({
    status: 404,
    code: "undefined_document",
    message: `document missing: data${path.map((name) => `.${name}`).join("")}`.slice(0, 200),
  });
}
