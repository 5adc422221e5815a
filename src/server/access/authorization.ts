import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Bridge } from "../../bridge.ts";
import { type ApiError, RequestError } from "../api-errors.ts";
import type { DataApi } from "../data-api/context.ts";
import { dataPath } from "../data-api/paths.ts";
import { type QueryParameters, valuesOf } from "../query-flags.ts";
import { identityOf } from "./identity.ts";

const REJECTED: ApiError = {
  status: 401,
  code: "unauthorized",
  message: "request rejected by administrative policy",
};

/** As OPA has it: no policy at all is the operator's mistake, not the caller's. */
const MISSING: ApiError = {
  status: 500,
  code: "internal_error",
  message: "authorization policy missing or undefined",
};

/**
 * Asks the policy whether a request may be answered, with OPA's input: `path`, `method`, `identity`, `params`,
 * `headers` and `body`. It says true, or `{"allowed": true}`; with `{"allowed": false, "reason": …}` the reason
 * is told to the caller.
 */
export function authorize(
  app: FastifyInstance,
  bridge: Bridge,
  decision: string,
  body: DataApi["body"],
): void {
  const path = decision.split("/").filter((name) => name !== "");
  app.addHook("preHandler", async (request) => {
    const answer = await bridge.decideText(path, inputOf(request, await body(request)));
    if (answer === "true") return;
    if (answer === undefined) throw new RequestError(MISSING);
    const verdict = JSON.parse(answer) as { allowed?: unknown; reason?: unknown } | null;
    if (typeof verdict === "object" && verdict?.allowed === true) return;
    const reason = typeof verdict === "object" ? verdict?.reason : undefined;
    throw new RequestError({
      ...REJECTED,
      ...(typeof reason === "string" && { message: reason }),
    });
  });
}

function inputOf(request: FastifyRequest, body: string | undefined): string {
  const query = request.query as QueryParameters;
  const fields = {
    // The very segments that the routes will read.
    path: dataPath(request, 0),
    method: request.method,
    params: Object.fromEntries(Object.keys(query).map((name) => [name, valuesOf(query, name)])),
    headers: headersOf(request),
    identity: identityOf(request),
  };
  const text = JSON.stringify(fields);
  return body === undefined ? text : `${text.slice(0, -1)},"body":${body}}`;
}

/** With names as Go writes them (`X-Request-Id`), which is what policies for OPA look for. */
function headersOf({ headers }: FastifyRequest): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.replaceAll(/(?:^|-)[a-z]/g, (start) => start.toUpperCase()),
      typeof value === "string" ? [value] : (value ?? []),
    ]),
  );
}
