import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Bridge } from "../bridge.ts";
import { BridgeError, type ErrorCode, isBridgeError } from "../errors.ts";
import { RevisionConflict } from "../nats/bucket-writer.ts";
import type { Written } from "../writes/write-through.ts";
import { type ApiError, apiErrorOf, RequestError } from "./api-errors.ts";
import { dataPath } from "./data-api/paths.ts";
import type { DataApi } from "./data-api/context.ts";

/** `PUT`, `PATCH` and `DELETE /v1/data/<path>`, where the configuration switches them on. */
export function writeRoutes(app: FastifyInstance, bridge: Bridge, body: DataApi["body"]): void {
  const { writes } = bridge;
  if (writes === undefined) return;

  const route = (
    method: "PUT" | "PATCH" | "DELETE",
    write: (path: string[], request: FastifyRequest) => Promise<Written>,
  ): void => {
    for (const url of ["/v1/data", "/v1/data/*"]) {
      app.route({
        method,
        url,
        handler: async (request, reply) => {
          const path = dataPath(request, 2);
          const written = await write(path, request).catch((error: unknown) => {
            throw isBridgeError(error) ? new RequestError(writeErrorOf(error)) : error;
          });
          if (written.kind === "exists") return reply.code(304).send();
          if (written.kind === "stored") return reply.send({ revision: written.revision });
          return reply.code(202).send({});
        },
      });
    }
  };

  route("PUT", async (path, request) => {
    const text = required(await body(request));
    return writes.put(path, text, request.headers["if-none-match"]?.trim() === "*");
  });
  route("PATCH", async (path, request) => writes.patch(path, required(await body(request))));
  route("DELETE", (path) => writes.delete(path));
}

function required(text: string | undefined): string {
  if (text !== undefined) return text;
  throw new BridgeError("INPUT_INVALID", "The request has no body; send JSON.");
}

const ANSWERS: Partial<Record<ErrorCode, Pick<ApiError, "status" | "code">>> = {
  BUCKET_FORBIDDEN: { status: 403, code: "unauthorized" },
  BUCKET_NAME: { status: 400, code: "invalid_parameter" },
  BUCKET_NOT_ALLOWED: { status: 403, code: "unauthorized" },
  BUCKET_NOT_FOUND: { status: 404, code: "resource_not_found" },
  KEY_NOT_FOUND: { status: 404, code: "resource_not_found" },
  PATCH_INVALID: { status: 400, code: "invalid_parameter" },
  PATCH_TEST_FAILED: { status: 409, code: "resource_conflict" },
  REVISION_CONFLICT: { status: 409, code: "resource_conflict" },
  WRITE_NOT_ALLOWED: { status: 403, code: "unauthorized" },
  WRITE_PATH: { status: 400, code: "invalid_parameter" },
  WRITE_TOO_LARGE: { status: 413, code: "invalid_parameter" },
};

/** What NATS can't do now, it may do later; and then the client may come again. */
function writeErrorOf(error: BridgeError): ApiError {
  const usual = apiErrorOf(error);
  const isLater = usual.status === 500 && error.retryable;
  return {
    ...usual,
    ...(isLater && { status: 503 }),
    ...ANSWERS[error.code],
    ...(error instanceof RevisionConflict &&
      error.current !== undefined && { revision: error.current }),
  };
}
