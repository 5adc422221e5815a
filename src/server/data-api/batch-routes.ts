import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { isObjectText, mergeObjects, objectFields, objectText } from "../../common/json-text.ts";
import { BridgeError, isBridgeError } from "../../errors.ts";
import { apiErrorOf, BODY_TOO_LARGE, RequestError } from "../api-errors.ts";
import type { QueryParameters } from "../query-flags.ts";
import type { LogContext } from "../decision-context.ts";
import { answerNow, extraFields, type Question, whenReached } from "./answer.ts";
import type { DataApi, Handler } from "./context.ts";
import { demandOf } from "./least-revisions.ts";
import { dataPath } from "./paths.ts";
import { sendJson } from "./send.ts";

/** How many decisions of a batch are made before others get their turn. */
const AT_ONCE = 16;
/** Inputs with the common input in them may be this many times as large as a body. */
const COMMON_INPUT_FACTOR = 8;
/** The results of one batch, in characters; what goes beyond fails. */
const MAX_RESULTS_LENGTH = 64 * 1024 * 1024;

interface Outcome {
  readonly failed: boolean;
  readonly fields: readonly string[];
}

type Outcomes = [id: string, outcome: Outcome][];

/**
 * `POST /v1/batch/data/<path>`, as Enterprise OPA has it: one decision for each of `inputs`, with `common_input`
 * merged under it. 200 when all could be made, 207 when some, 500 when none. Revisions are demanded for all together.
 */
export function batchRoutes(app: FastifyInstance, api: DataApi): void {
  const handler: Handler = async (request, reply) => {
    const path = dataPath(request, 3);
    const { inputs, minRevision } = batchIn(await api.body(request), api.maxBodyBytes);
    const query = request.query as QueryParameters;
    const demand = demandOf(query, minRevision);
    const context = api.logContext?.(request);
    const batchDecisionId = context?.decisionId;
    const make = (): Promise<Outcomes> => makeAll(api, query, path, inputs, context);
    const outcomes = await (demand === undefined ? make() : whenReached(api, demand, make));
    const failures = outcomes.filter(([, { failed }]) => failed).length;
    const status = failures === 0 ? 200 : failures < outcomes.length ? 207 : 500;
    const responses = outcomes.map(([id, { failed, fields }]): [string, string] => {
      // The status is text here, and there only where it differs from one entry to the next.
      const own = status === 207 ? [`"http_status_code":"${failed ? 500 : 200}"`] : [];
      return [id, `{${[...fields, ...own].join(",")}}`];
    });
    const head =
      batchDecisionId === undefined
        ? ""
        : `"batch_decision_id":${JSON.stringify(batchDecisionId)},`;
    const body = `{${head}"responses":${objectText(responses)}}`;
    return sendJson(request, reply.code(status), body, api.gzip);
  };
  app.post("/v1/batch/data", handler);
  app.post("/v1/batch/data/*", handler);
}

async function makeAll(
  api: DataApi,
  query: QueryParameters,
  path: readonly string[],
  inputs: Batch["inputs"],
  context: LogContext | undefined,
): Promise<Outcomes> {
  const outcomes: Outcomes = [];
  let length = 0;
  const waiting = [...inputs];
  for (let next = 0; next < waiting.length; next += AT_ONCE) {
    const made = waiting.slice(next, next + AT_ONCE).map(async ([id, input]) => {
      const own = context && {
        ...context,
        decisionId: randomUUID(),
        batchDecisionId: context.decisionId,
      };
      const outcome = await outcomeOf(api, query, { path, input }, own);
      length += outcome.fields.reduce((sum, field) => sum + field.length, 0);
      outcomes.push([id, length > MAX_RESULTS_LENGTH ? tooMuch() : outcome]);
    });
    await Promise.all(made);
    await nextTurn();
  }
  return outcomes;
}

async function outcomeOf(
  api: DataApi,
  query: QueryParameters,
  question: Question,
  context: LogContext | undefined,
): Promise<Outcome> {
  const startedMs = performance.now();
  try {
    const made = await answerNow(api, query, question, context);
    const fields = extraFields(api, query, made, { inputMissing: false, startedMs, parseMs: 0 });
    if (made.result !== undefined) fields.push(`"result":${made.result}`);
    return { failed: false, fields };
  } catch (error) {
    if (!isBridgeError(error)) throw error;
    return failure(error);
  }
}

function failure(error: BridgeError): Outcome {
  const { status: _status, ...body } = apiErrorOf(error);
  return {
    failed: true,
    fields: Object.entries(body).map(([name, value]) => `"${name}":${JSON.stringify(value)}`),
  };
}

function tooMuch(): Outcome {
  const message = `The results of the batch take more than ${MAX_RESULTS_LENGTH} characters; ask for fewer at once.`;
  return failure(new BridgeError("EVALUATION_FAILED", message));
}

interface Batch {
  readonly inputs: ReadonlyMap<string, string>;
  readonly minRevision: string | undefined;
}

function batchIn(json: string | undefined, maxBodyBytes: number): Batch {
  const body = json !== undefined && isObjectText(json) ? objectFields(json) : undefined;
  const given = body?.get("inputs");
  if (body === undefined || given === undefined || !isObjectText(given)) {
    throw new BridgeError(
      "INPUT_INVALID",
      'The request body has no map of inputs; write {"inputs": {"id": …}}.',
    );
  }
  const inputs = objectFields(given);
  const common = body.get("common_input");
  if (common !== undefined) {
    if (common.length * inputs.size > COMMON_INPUT_FACTOR * maxBodyBytes) {
      throw new RequestError(BODY_TOO_LARGE);
    }
    for (const [id, input] of inputs) {
      const both = isObjectText(common) && isObjectText(input);
      inputs.set(id, both ? mergeObjects(common, input) : input);
    }
  }
  return { inputs, minRevision: body.get("min_revision") };
}
