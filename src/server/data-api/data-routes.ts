import type { FastifyInstance, FastifyRequest } from "fastify";
import { andThen, type Soon } from "../../common/async.ts";
import { isObjectText, objectFields } from "../../common/json-text.ts";
import { BridgeError } from "../../errors.ts";
import { type QueryParameters, valuesOf } from "../query-flags.ts";
import { answer, extraFields, type DemandingQuestion } from "./answer.ts";
import { jsonOf } from "./body.ts";
import type { DataApi, Handler } from "./context.ts";
import { dataPath, plainPath } from "./paths.ts";
import { sendJson } from "./send.ts";

/** OPA's data API: `GET` and `POST /v1/data/<path>`. */
export function dataRoutes(app: FastifyInstance, api: DataApi): void {
  /** Answers with the document that `read` finds the request to ask for. */
  const handler =
    (read: (request: FastifyRequest, path: Path) => Soon<Asked>): Handler =>
    (request, reply) => {
      const startedMs = performance.now();
      return andThen(read(request, plainPath(request, 2) ?? dataPath(request, 2)), (asked) => {
        const parseMs = performance.now() - startedMs;
        const query = request.query as QueryParameters;
        return andThen(answer(api, query, asked, api.logContext?.(request)), (made) => {
          const { inputMissing } = asked;
          const fields = extraFields(api, query, made, { inputMissing, startedMs, parseMs });
          if (made.result !== undefined) fields.push(`"result":${made.result}`);
          return sendJson(request, reply, `{${fields.join(",")}}`, api.gzip);
        });
      });
    };

  const get = handler((request, path) => {
    // Given more than once, the last one counts, as in OPA.
    const text = valuesOf(request.query as QueryParameters, "input").at(-1);
    const input = text === undefined ? undefined : jsonOf(text, "The query parameter input");
    return { path, input, inputMissing: false };
  });
  const post = handler((request, path) =>
    andThen(api.body(request), (json) => askedIn(path, json)),
  );

  for (const url of ["/v1/data", "/v1/data/*"]) {
    app.get(url, { exposeHeadRoute: false }, get);
    app.post(url, post);
  }
}

type Path = DemandingQuestion["path"];

interface Asked extends DemandingQuestion {
  readonly inputMissing: boolean;
}

function askedIn(path: Path, json: string | undefined): Asked {
  if (json === undefined || json === "null") return { path, input: undefined, inputMissing: true };
  if (!isObjectText(json)) {
    throw new BridgeError(
      "INPUT_INVALID",
      'The request body is not an object; wrap the input: {"input": …}.',
    );
  }
  const fields = objectFields(json);
  const input = fields.get("input");
  return {
    path,
    input,
    inputMissing: input === undefined,
    minRevision: fields.get("min_revision"),
  };
}
