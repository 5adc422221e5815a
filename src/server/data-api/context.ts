import type { FastifyReply, FastifyRequest } from "fastify";
import type { Bridge } from "../../bridge.ts";
import type { Soon } from "../../common/async.ts";
import type { LogContext } from "../decision-context.ts";
import { bodyText } from "./body.ts";
import type { Gzip } from "./send.ts";

/** What all routes of the data API share. */
export interface DataApi {
  readonly bridge: Bridge;
  /** Of the package, for provenance. */
  readonly version: string;
  readonly maxBodyBytes: number;
  readonly gzip: Gzip;
  /** What the decision log shows of a request; undefined where decisions are not logged. */
  readonly logContext: ((request: FastifyRequest) => LogContext) | undefined;
  /** The request's body as JSON text, checked; undefined where there is none. Throws, or rejects. */
  body(request: FastifyRequest): Soon<string | undefined>;
}

/** Sends the answer itself; throws, or rejects, with what Fastify is to answer. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => Soon<void>;

/** Whoever asks for a body a second time (authorization does first) gets the same text, which takes the bytes' place. */
export function bodyReader(maxBodyBytes: number): DataApi["body"] {
  return (request) => {
    if (typeof request.body === "string") return request.body;
    const text = bodyText(request, maxBodyBytes);
    if (!(text instanceof Promise)) return (request.body = text);
    return text.then((unpacked) => (request.body = unpacked));
  };
}
