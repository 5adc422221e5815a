import { randomUUID } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { DecisionContext } from "../decisions/event.ts";

/** What the decision log shows of a request. The identity stands in the answer too. */
export type LogContext = DecisionContext & { readonly decisionId: string };

/** Answers with what the decision log shows of a request: the named headers of it, and no others. */
export function decisionContexts(
  headers: readonly string[],
): (request: FastifyRequest) => LogContext {
  let requests = 0;
  return (request) => {
    const { remoteAddress, remotePort } = request.socket;
    return {
      decisionId: randomUUID(),
      requestId: ++requests,
      ...(remoteAddress !== undefined && {
        requestedBy: `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`,
      }),
      ...traceOf(request.headers["traceparent"]),
      headers: shownHeaders(request, headers),
    };
  };
}

/** Version 00 of W3C's Trace Context; later versions begin like it. */
const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-[\da-f]{2}(?:$|-)/;

function traceOf(
  header: string | string[] | undefined,
): Pick<DecisionContext, "traceId" | "spanId"> {
  const match = typeof header === "string" ? TRACEPARENT.exec(header) : null;
  return match === null ? {} : { traceId: match[1], spanId: match[2] };
}

function shownHeaders(
  { raw }: FastifyRequest,
  names: readonly string[],
): Readonly<Record<string, readonly string[]>> | undefined {
  const found = names.flatMap((name): [string, readonly string[]][] => {
    const lower = name.toLowerCase();
    const values = Object.hasOwn(raw.headersDistinct, lower)
      ? raw.headersDistinct[lower]
      : undefined;
    return values === undefined ? [] : [[name, values]];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
