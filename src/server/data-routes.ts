import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Bridge } from "../bridge.ts";
import { isObjectText, objectFields, repairSurrogates } from "../common/json-text.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";

interface Question {
  readonly path: readonly string[];
  readonly input: string | undefined;
  /** OPA warns of a body that forgot to wrap its input. */
  readonly inputMissing: boolean;
}

type Query = Readonly<Record<string, string | string[] | undefined>>;

/** OPA's data API: `GET` and `POST /v1/data/<path>`. */
export function dataRoutes(app: FastifyInstance, bridge: Bridge): void {
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { path, input, inputMissing }: Question,
  ): Promise<FastifyReply> => {
    const query = request.query as Query;
    const strictBuiltinErrors = flag(query, "strict-builtin-errors");
    const result = await bridge.decideText(path, input, { strictBuiltinErrors });
    const fields: string[] = [];
    if (result !== undefined) fields.push(`"result":${result}`);
    if (inputMissing) fields.push(`"warning":${INPUT_MISSING}`);
    const body = `{${fields.join(",")}}`;
    return reply.type("application/json").send(flag(query, "pretty") ? indent(body) : body);
  };

  const get = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { input } = request.query as Query;
    const text = Array.isArray(input) ? input[0] : input;
    return answer(request, reply, {
      path: pathOf(request),
      input: text === undefined ? undefined : jsonOf(text, "The query parameter input"),
      inputMissing: false,
    });
  };
  const post = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    answer(request, reply, { path: pathOf(request), ...inputOf(request.body) });

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

function inputOf(body: unknown): Pick<Question, "input" | "inputMissing"> {
  if (!(body instanceof Uint8Array) || body.length === 0)
    return { input: undefined, inputMissing: true };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new BridgeError("INPUT_INVALID", "The request body is not UTF-8; send JSON.");
  }
  const json = jsonOf(text, "The request body");
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

/** A parameter without a value counts as true, as in OPA. */
function flag(query: Query, name: string): boolean {
  const value = query[name];
  return value !== undefined && value !== "false" && value !== "0";
}

/** For people: indented, without touching numbers or strings. */
function indent(json: string): string {
  let depth = 0;
  return json.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]|\s+/g, (token, index: number) => {
    const line = (): string => `\n${"  ".repeat(depth)}`;
    switch (token) {
      case "{":
      case "[":
        if ("}]".includes(json[index + 1]!)) return token;
        depth++;
        return token + line();
      case "}":
      case "]":
        if ("{[".includes(json[index - 1]!)) return token;
        depth--;
        return line() + token;
      case ",":
        return token + line();
      case ":":
        return ": ";
      default:
        return token.startsWith('"') ? token : "";
    }
  });
}
