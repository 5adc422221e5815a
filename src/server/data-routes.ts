import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Bridge } from "../bridge.ts";
import { isObjectText, objectFields, repairSurrogates } from "../common/json-text.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { BODY_TOO_LARGE, invalidParameter, RequestError } from "./api-errors.ts";
import { indentJson } from "./pretty.ts";
import { flag, type QueryParameters, valuesOf } from "./query-flags.ts";

interface Question {
  readonly path: readonly string[];
  readonly input: string | undefined;
  /** OPA warns of a body that forgot to wrap its input. */
  readonly inputMissing: boolean;
}

/** OPA's data API: `GET` and `POST /v1/data/<path>`. Unpacked bodies are bounded like those that come plain. */
export function dataRoutes(app: FastifyInstance, bridge: Bridge, maxBodyBytes: number): void {
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { path, input, inputMissing }: Question,
  ): Promise<FastifyReply> => {
    const query = request.query as QueryParameters;
    const strictBuiltinErrors = flag(query, "strict-builtin-errors");
    const result = await bridge.decideText(path, input, { strictBuiltinErrors });
    const fields: string[] = [];
    if (result !== undefined) fields.push(`"result":${result}`);
    if (inputMissing) fields.push(`"warning":${INPUT_MISSING}`);
    const body = `{${fields.join(",")}}`;
    return reply.type("application/json").send(flag(query, "pretty") ? indentJson(body) : body);
  };

  const get = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    // Given more than once, the last one counts, as in OPA.
    const text = valuesOf(request.query as QueryParameters, "input").at(-1);
    return answer(request, reply, {
      path: pathOf(request),
      input: text === undefined ? undefined : jsonOf(text, "The query parameter input"),
      inputMissing: false,
    });
  };
  const post = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const path = pathOf(request);
    const body = await unpacked(request, maxBodyBytes);
    return answer(request, reply, { path, ...inputOf(body) });
  };

  for (const url of ["/v1/data", "/v1/data/*"]) {
    app.get(url, { exposeHeadRoute: false }, get);
    app.post(url, post);
  }
}

const INPUT_MISSING = JSON.stringify({
  code: "api_usage_warning",
  message: "'input' key missing from the request",
});

/** The segments behind `/v1/data`, decoded one by one, so that an escaped slash belongs to its segment. */
function pathOf(request: FastifyRequest): string[] {
  const [pathname] = request.raw.url!.split("?", 1);
  const segments = pathname!.split("/").slice(3);
  try {
    return segments
      .filter((segment) => segment !== "")
      .map((segment) => decodeURIComponent(segment));
  } catch (error) {
    throw new BridgeError(
      "PATH_INVALID",
      `The path ${quote(pathname)} is not percent-encoded UTF-8 (${messageOf(error)}).`,
    );
  }
}

const gunzipBytes = promisify(gunzip);

async function unpacked(
  { body, headers }: FastifyRequest,
  maxBodyBytes: number,
): Promise<Uint8Array | undefined> {
  if (!(body instanceof Uint8Array)) return undefined;
  const encoding = headers["content-encoding"]?.toLowerCase() ?? "identity";
  if (encoding === "identity") return body;
  if (encoding !== "gzip") {
    const message = `the content encoding ${quote(encoding)} is not supported; send gzip, or none`;
    throw new RequestError(invalidParameter(message, 415));
  }
  try {
    return await gunzipBytes(body, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new RequestError(BODY_TOO_LARGE);
    }
    throw new BridgeError("INPUT_INVALID", `The request body is not gzip: ${messageOf(error)}.`);
  }
}

function inputOf(body: Uint8Array | undefined): Pick<Question, "input" | "inputMissing"> {
  if (body === undefined || body.length === 0) return { input: undefined, inputMissing: true };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new BridgeError("INPUT_INVALID", "The request body is not UTF-8; send JSON.");
  }
  const json = jsonOf(text, "The request body");
  if (json === "null") return { input: undefined, inputMissing: true };
  if (!isObjectText(json)) {
    throw new BridgeError(
      "INPUT_INVALID",
      'The request body is not an object; wrap the input: {"input": …}.',
    );
  }
  const input = objectFields(json).get("input");
  return { input, inputMissing: input === undefined };
}

function jsonOf(text: string, what: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new BridgeError("INPUT_INVALID", `${what} is not JSON: ${messageOf(error)}.`);
  }
  return repairSurrogates(text.trim());
}
